import path from 'node:path';
import { isAddressRange } from '#shared/address-range.ts';
import { parseSealingKey, type SealingKey } from '#shared/sealed-secret.ts';
import type { BillingSettings } from './billing/billing-settings.ts';
import { readBillingSettings } from './billing/settings.ts';
import { parseBaseUrl, VENDORS } from './catalog/vendors.ts';

/** What the environment says about one vendor; at least one of the two is set. */
export interface VendorSettings {
  readonly vendorCode: string;
  readonly apiKey: string | null;
  /** Canonical, without a trailing slash. */
  readonly baseUrl: string | null;
}

export interface ControlPlaneSettings {
  readonly mode: 'development' | 'production';
  readonly role: 'api' | 'workers' | 'all';
  /** State folder, absolute. */
  readonly home: string;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly sealingKey: SealingKey;
  readonly bindAddress: string;
  readonly controlPlanePort: number;
  readonly dataPlanePort: number;
  /** The development sandbox provider; `null` in production. */
  readonly sandboxBaseUrl: string | null;
  readonly logLevel: LogLevel;
  readonly operatorToken: string | null;
  readonly vendors: readonly VendorSettings[];
  /** Whole months of usage records that are kept before the current one; 0: all. */
  readonly usageRetentionMonths: number;
  readonly reconcileIntervalMinutes: number;
  readonly metricsAddress: string;
  /** 0: any free port. */
  readonly metricsPort: number;
  /** Addresses and CIDR ranges of proxies whose `x-forwarded-for` is believed. */
  readonly trustedProxies: readonly string[];
  /** Origins whose pages may call the API with a session. */
  readonly consoleOrigins: readonly string[];
  /** `null`: no payments are taken. */
  readonly billing: BillingSettings | null;
  /** Where browsers and mail links find the control plane; an origin. */
  readonly publicUrl: string;
  /** How much one token or person may ask of the GraphQL API in a minute. */
  readonly apiCostPerMinute: number;
  /** How long a GraphQL request, and each of its SQL statements, may run. */
  readonly apiTimeoutMs: number;
  /** The mail server; `null`: files in the state folder in development, no mail in production. */
  readonly smtpUrl: string | null;
  readonly mailFrom: string;
  /** Development only: webhook endpoints may be on this machine, without TLS and on any port. */
  readonly webhooksToLoopback: boolean;
}

/** The settings are wrong; the message names each wrong one and is meant to be read by a person. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

type Environment = Readonly<Record<string, string | undefined>>;
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
const ROLES = ['api', 'workers', 'all'] as const;
const MODES = ['development', 'production'] as const;
const DEFAULT_CONTROL_PLANE_PORT = 4000;
const DEFAULT_DATA_PLANE_PORT = 8080;
const DEFAULT_API_COST_PER_MINUTE = 100_000;
const DEFAULT_API_TIMEOUT_MS = 15_000;
const MAX_API_COST_PER_MINUTE = 1_000_000_000_000;
const MAX_PORT = 65_535;
const OPERATOR_TOKEN_PATTERN = /^[A-Za-z0-9_-]{32,256}$/;
/** A random 32-byte key repeats few of its bytes; a placeholder such as all zeros repeats most of them. */
const MIN_DISTINCT_KEY_BYTES = 16;

/** Reads and validates every setting of the control plane once. Throws one {@link SettingsError} naming all problems. */
export function readSettings(environment: Environment = process.env): ControlPlaneSettings {
  const problems: string[] = [];
  const mode = oneOf(environment, 'CROSSMODEL_MODE', MODES, 'development', problems);
  const home = text(environment, 'CROSSMODEL_HOME');
  if (home === undefined || !path.isAbsolute(home))
    problems.push('CROSSMODEL_HOME must be the absolute path of the state folder');
  const settings = {
    mode,
    role: oneOf(environment, 'CONTROL_PLANE_ROLE', ROLES, 'all', problems),
    home: home ?? '',
    databaseUrl: connectionUrl(environment, 'DATABASE_URL', ['postgres:', 'postgresql:'], problems),
    redisUrl: connectionUrl(environment, 'REDIS_URL', ['redis:', 'rediss:'], problems),
    sealingKey: readSealingKey(environment, mode, problems),
    bindAddress: text(environment, 'BIND_ADDRESS') ?? (mode === 'production' ? '0.0.0.0' : '127.0.0.1'),
    controlPlanePort: port(environment, 'CONTROL_PLANE_PORT', DEFAULT_CONTROL_PLANE_PORT, problems),
    dataPlanePort: port(environment, 'DATA_PLANE_PORT', DEFAULT_DATA_PLANE_PORT, problems),
    sandboxBaseUrl: readSandboxBaseUrl(environment, mode, problems),
    logLevel: oneOf(environment, 'LOG_LEVEL', LOG_LEVELS, 'info', problems),
    operatorToken: readOperatorToken(environment, problems),
    vendors: readVendors(environment, problems),
    usageRetentionMonths: wholeNumber(environment, 'USAGE_RETENTION_MONTHS', [0, 1_200], 0, problems),
    reconcileIntervalMinutes: wholeNumber(
      environment,
      'RECONCILE_INTERVAL_MINUTES',
      [1, 10_080],
      60,
      problems,
    ),
    metricsAddress: text(environment, 'METRICS_ADDRESS') ?? '127.0.0.1',
    metricsPort: wholeNumber(environment, 'METRICS_PORT', [0, MAX_PORT], 0, problems),
    trustedProxies: list(
      environment,
      'TRUSTED_PROXIES',
      isAddressRange,
      'IP addresses and CIDR ranges',
      problems,
    ),
    publicUrl: readPublicUrl(environment, mode, problems),
    apiCostPerMinute: wholeNumber(
      environment,
      'API_COST_PER_MINUTE',
      [1, MAX_API_COST_PER_MINUTE],
      DEFAULT_API_COST_PER_MINUTE,
      problems,
    ),
    apiTimeoutMs: wholeNumber(
      environment,
      'API_TIMEOUT_MS',
      [100, 600_000],
      DEFAULT_API_TIMEOUT_MS,
      problems,
    ),
    smtpUrl:
      text(environment, 'SMTP_URL') === undefined
        ? null
        : connectionUrl(environment, 'SMTP_URL', ['smtp:', 'smtps:'], problems),
    mailFrom: text(environment, 'MAIL_FROM') ?? 'CrossModel <no-reply@localhost>',
    consoleOrigins: list(
      environment,
      'CONSOLE_ORIGINS',
      isOrigin,
      'origins such as https://console.example.com',
      problems,
    ),
    webhooksToLoopback:
      oneOf(environment, 'WEBHOOKS_TO_LOOPBACK', ['true', 'false'], 'false', problems) === 'true' &&
      mode === 'development',
    billing: readBillingSettings(environment, readPublicUrl(environment, mode, []), problems),
  };
  const { sealingKey } = settings;
  if (problems.length > 0 || sealingKey === undefined)
    throw new SettingsError(`Wrong settings:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  return Object.freeze({ ...settings, sealingKey });
}

/** Only the database address, for the migration command. */
export function readDatabaseUrl(environment: Environment = process.env): string {
  const problems: string[] = [];
  const url = connectionUrl(environment, 'DATABASE_URL', ['postgres:', 'postgresql:'], problems);
  if (problems.length > 0) throw new SettingsError(problems.join('\n'));
  return url;
}

function text(environment: Environment, name: string): string | undefined {
  const value = environment[name]?.trim();
  return value === undefined || value === '' ? undefined : value;
}

function oneOf<const Value extends string>(
  environment: Environment,
  name: string,
  values: readonly Value[],
  fallback: Value,
  problems: string[],
): Value {
  const given = text(environment, name);
  if (given === undefined) return fallback;
  const found = values.find((value) => value === given);
  if (found === undefined) problems.push(`${name} must be one of ${values.join(', ')}`);
  return found ?? fallback;
}

function port(environment: Environment, name: string, fallback: number, problems: string[]): number {
  const given = text(environment, name);
  if (given === undefined) return fallback;
  const value = Number(given);
  if (!/^\d+$/.test(given) || value > MAX_PORT)
    problems.push(`${name} must be a port number, 0 to ${MAX_PORT}`);
  return value;
}

function wholeNumber(
  environment: Environment,
  name: string,
  [from, to]: readonly [number, number],
  fallback: number,
  problems: string[],
): number {
  const given = text(environment, name);
  if (given === undefined) return fallback;
  const value = Number(given);
  if (!/^\d+$/.test(given) || value < from || value > to)
    problems.push(`${name} must be a whole number from ${from} to ${to}`);
  return value;
}

function connectionUrl(
  environment: Environment,
  name: string,
  protocols: readonly string[],
  problems: string[],
): string {
  const given = text(environment, name) ?? '';
  if (!URL.canParse(given) || !protocols.includes(new URL(given).protocol))
    problems.push(
      `${name} must be a URL that starts with ${protocols.map((each) => `${each}//`).join(' or ')}`,
    );
  return given;
}

/** A list with commas, each part of which is what `accepts` accepts. */
function list(
  environment: Environment,
  name: string,
  accepts: (part: string) => boolean,
  what: string,
  problems: string[],
): string[] {
  const parts = (text(environment, name) ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  if (!parts.every(accepts)) problems.push(`${name} must be a list of ${what}, with commas`);
  return parts;
}

function readPublicUrl(
  environment: Environment,
  mode: ControlPlaneSettings['mode'],
  problems: string[],
): string {
  const given = text(environment, 'CONTROL_PLANE_URL');
  const port = text(environment, 'CONTROL_PLANE_PORT') ?? String(DEFAULT_CONTROL_PLANE_PORT);
  if (given === undefined) return `http://127.0.0.1:${port}`;
  if (!isOrigin(given)) problems.push('CONTROL_PLANE_URL must be an origin such as https://api.example.com');
  if (mode === 'production' && !given.startsWith('https:'))
    problems.push('CONTROL_PLANE_URL must begin with https:// in production');
  return given;
}

function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text && /^https?:/.test(text);
}

function readSealingKey(
  environment: Environment,
  mode: ControlPlaneSettings['mode'],
  problems: string[],
): SealingKey | undefined {
  const key = parseSealingKey(text(environment, 'CROSSMODEL_SECRET_KEY') ?? '');
  if (key === undefined) {
    problems.push('CROSSMODEL_SECRET_KEY must be 64 hex digits (make one with: openssl rand -hex 32)');
  } else if (mode === 'production' && new Set(key).size < MIN_DISTINCT_KEY_BYTES) {
    problems.push(
      'CROSSMODEL_SECRET_KEY is a placeholder, not a random key (make one with: openssl rand -hex 32)',
    );
  }
  return key;
}

function readSandboxBaseUrl(
  environment: Environment,
  mode: ControlPlaneSettings['mode'],
  problems: string[],
): string | null {
  const given = text(environment, 'SANDBOX_BASE_URL');
  if (given === undefined) return null;
  const baseUrl = parseBaseUrl(given);
  if (baseUrl === undefined) problems.push('SANDBOX_BASE_URL must be an http or https URL');
  if (mode === 'production') problems.push('SANDBOX_BASE_URL is for development only');
  return baseUrl ?? null;
}

function readOperatorToken(environment: Environment, problems: string[]): string | null {
  const given = text(environment, 'CROSSMODEL_OPERATOR_TOKEN');
  if (given === undefined) return null;
  if (!OPERATOR_TOKEN_PATTERN.test(given))
    problems.push('CROSSMODEL_OPERATOR_TOKEN must be 32 to 256 letters, digits, "_" or "-"');
  return given;
}

function readVendors(environment: Environment, problems: string[]): VendorSettings[] {
  return VENDORS.flatMap((vendor) => {
    const apiKey = text(environment, `${vendor.environmentPrefix}_API_KEY`) ?? null;
    const baseUrlName = `${vendor.environmentPrefix}_BASE_URL`;
    const givenUrl = text(environment, baseUrlName);
    if (apiKey === null && givenUrl === undefined) return [];
    const baseUrl = givenUrl === undefined ? null : (parseBaseUrl(givenUrl) ?? null);
    if (givenUrl !== undefined && baseUrl === null)
      problems.push(
        `${baseUrlName} must be an http or https URL without credentials, query or fragment, such as ${vendor.defaultBaseUrl}`,
      );
    if (apiKey !== null && !/^[\x21-\x7e]+$/.test(apiKey))
      problems.push(`${vendor.environmentPrefix}_API_KEY must be printable ASCII without spaces`);
    return [{ vendorCode: vendor.code, apiKey, baseUrl }];
  });
}
