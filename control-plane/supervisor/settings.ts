import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseBaseUrl, VENDORS } from '#control-plane/catalog/vendors.ts';
import { isWellKnownSecret } from './secret-strength.ts';
import { SETTING_ROWS } from './setting-table.ts';

export const ROLES = ['data-plane', 'control-plane', 'workers'] as const;
export type Role = (typeof ROLES)[number];
export type Mode = 'development' | 'production';

export interface SupervisorSettings {
  readonly mode: Mode;
  readonly repositoryRoot: string;
  /** State folder, absolute. */
  readonly home: string;
  readonly dataPlanePort: number;
  readonly controlPlanePort: number;
  readonly bindAddress: string;
  readonly dataPlaneProcesses: number;
  /** Undefined: embedded (never so in production for a role that needs it). */
  readonly databaseUrl: string | undefined;
  readonly redisUrl: string | undefined;
  readonly secretKey: string | undefined;
  readonly operatorToken: string | undefined;
  readonly roles: readonly Role[];
  readonly logLevel: string;
  /** How long open requests may go on after a signal to end. */
  readonly drainTimeoutMs: number;
  readonly sandboxPort: number | undefined;
  /** Codes of the vendors that have a credential or an address of their own. */
  readonly configuredVendors: readonly string[];
  /** When `npm start` was called and how much of the time since then went into installing, in ms; for the first-token line. */
  readonly commandStartedAtMs: number | undefined;
  readonly installMs: number;
  /** What was given to us, for passing on. */
  readonly environment: Readonly<NodeJS.ProcessEnv>;
}

/** Some settings are wrong; the message has one line for each, meant for a person, and never shows a secret. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
const MOST_DEVELOPMENT_PROCESSES = 4;
const DEFAULT_DRAIN_MS: Readonly<Record<Mode, number>> = { development: 10_000, production: 30_000 };
const ADDRESS_PATTERN = /^(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:.]+)$/;
const OPERATOR_TOKEN_PATTERN = /^[A-Za-z0-9_-]{32,256}$/;

interface Reader {
  text(name: string): string | undefined;
  problem(line: string): void;
  wholeNumber(name: string, range: { from: number; to: number }): number | undefined;
  oneOf(name: string, values: readonly string[]): string | undefined;
}

function createReader(environment: NodeJS.ProcessEnv, problems: string[]): Reader {
  const text = (name: string): string | undefined => {
    const value = environment[name]?.trim();
    return value === '' ? undefined : value;
  };
  const problem = (line: string): void => {
    problems.push(line);
  };
  return {
    text,
    problem,
    wholeNumber: (name, { from, to }) => {
      const given = text(name);
      if (given === undefined) return undefined;
      const value = Number(given);
      if (/^\d+$/.test(given) && value >= from && value <= to) return value;
      problem(`${name} is "${given}"; allowed is a whole number from ${from} to ${to}.`);
      return undefined;
    },
    oneOf: (name, values) => {
      const given = text(name);
      if (given === undefined || values.includes(given)) return given;
      problem(`${name} is "${given}"; allowed is one of ${values.join(', ')}.`);
      return undefined;
    },
  };
}

/** A connection address. The value is not shown: it usually holds a password. */
function connectionUrl(reader: Reader, name: string, protocols: readonly string[]): string | undefined {
  const given = reader.text(name);
  if (given === undefined) return undefined;
  if (URL.canParse(given) && protocols.includes(new URL(given).protocol)) return given;
  reader.problem(
    `${name} is not a URL that begins with ${protocols.map((each) => `${each}//`).join(' or ')}.`,
  );
  return undefined;
}

function readRoles(reader: Reader, mode: Mode, rolesOption: string | undefined): readonly Role[] {
  const name = rolesOption === undefined ? 'CROSSMODEL_ROLES' : '--roles';
  const given = rolesOption ?? reader.text('CROSSMODEL_ROLES');
  if (given === undefined) return ROLES;
  if (mode === 'development') {
    reader.problem(`${name} is for production; in development everything runs.`);
    return ROLES;
  }
  const wanted = given.split(',').map((role) => role.trim());
  const unknown = wanted.filter((role) => !ROLES.some((known) => known === role));
  if (unknown.length > 0)
    reader.problem(`${name} is "${given}"; allowed are ${ROLES.join(', ')}, separated by commas.`);
  return ROLES.filter((role) => wanted.includes(role));
}

function readSecrets(
  reader: Reader,
  mode: Mode,
): { secretKey: string | undefined; operatorToken: string | undefined } {
  const secretKey = reader.text('CROSSMODEL_SECRET_KEY');
  if (secretKey !== undefined && !/^[0-9a-fA-F]{64}$/.test(secretKey)) {
    reader.problem(
      `CROSSMODEL_SECRET_KEY has ${secretKey.length} characters; allowed are exactly 64 hexadecimal digits. ` +
        'Make one: openssl rand -hex 32',
    );
  } else if (secretKey !== undefined && mode === 'production' && isWellKnownSecret(secretKey)) {
    reader.problem('CROSSMODEL_SECRET_KEY can be guessed. Make a random one: openssl rand -hex 32');
  }
  const operatorToken = reader.text('CROSSMODEL_OPERATOR_TOKEN');
  if (operatorToken !== undefined && !OPERATOR_TOKEN_PATTERN.test(operatorToken)) {
    reader.problem(
      `CROSSMODEL_OPERATOR_TOKEN has ${operatorToken.length} characters; allowed are 32 to 256 letters, digits, "_" or "-". ` +
        'Make one: openssl rand -hex 32',
    );
  } else if (operatorToken !== undefined && mode === 'production' && isWellKnownSecret(operatorToken)) {
    reader.problem('CROSSMODEL_OPERATOR_TOKEN can be guessed. Make a random one: openssl rand -hex 32');
  }
  return { secretKey, operatorToken };
}

/** Production has no defaults for what must not be guessed or shared; a host asks only for what its roles need. */
function requireForProduction(reader: Reader, roles: readonly Role[]): void {
  const withControlPlane = roles.includes('control-plane') || roles.includes('workers');
  const required = withControlPlane
    ? ['DATABASE_URL', 'REDIS_URL', 'CROSSMODEL_SECRET_KEY', 'CROSSMODEL_OPERATOR_TOKEN']
    : ['REDIS_URL', 'CROSSMODEL_SECRET_KEY'];
  const advice: Record<string, string> = {
    DATABASE_URL: 'the address of your Postgres (15 or newer)',
    REDIS_URL: 'the address of your Redis (7 or newer) or Valkey',
    CROSSMODEL_SECRET_KEY: '64 hexadecimal digits, the same on every host (openssl rand -hex 32)',
    CROSSMODEL_OPERATOR_TOKEN: 'a random token of at least 32 characters (openssl rand -hex 32)',
  };
  for (const name of required) {
    if (reader.text(name) === undefined)
      reader.problem(`${name} is not set; production needs ${advice[name]}.`);
  }
}

function readConfiguredVendors(reader: Reader): string[] {
  return VENDORS.flatMap((vendor) => {
    const keyName = `${vendor.environmentPrefix}_API_KEY`;
    const urlName = `${vendor.environmentPrefix}_BASE_URL`;
    const key = reader.text(keyName);
    const url = reader.text(urlName);
    if (key !== undefined && !/^[\x21-\x7e]+$/.test(key))
      reader.problem(`${keyName} holds a space or a character outside ASCII.`);
    if (url !== undefined && parseBaseUrl(url) === undefined)
      reader.problem(
        `${urlName} is "${withoutCredentials(url)}"; allowed is an http or https URL without credentials, query or fragment, ` +
          `such as ${vendor.defaultBaseUrl}.`,
      );
    return key === undefined && url === undefined ? [] : [vendor.code];
  });
}

function withoutCredentials(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//...@').replace(/[?#].*$/, '?...');
}

function readBindAddress(reader: Reader, mode: Mode): string {
  const given = reader.text('BIND_ADDRESS');
  if (given !== undefined && !ADDRESS_PATTERN.test(given))
    reader.problem(`BIND_ADDRESS is "${given}"; allowed is an IP address, such as 127.0.0.1 or 0.0.0.0.`);
  return given ?? (mode === 'production' ? '0.0.0.0' : '127.0.0.1');
}

/** What only a child uses is checked here too, so that a mistake is one clear line and not a child that does not start. */
function checkPassedOn(reader: Reader): void {
  for (const { name, check } of SETTING_ROWS) {
    if (check === undefined) continue;
    if ('values' in check) reader.oneOf(name, check.values);
    else reader.wholeNumber(name, check);
  }
}

/** The folder of everything that an installation keeps, absolute. */
export function stateFolderOf(
  repositoryRoot: string,
  environment: Readonly<NodeJS.ProcessEnv> = process.env,
): string {
  return path.resolve(repositoryRoot, environment.CROSSMODEL_HOME?.trim() || '.crossmodel');
}

/** Two different servers cannot have one port. */
function requireDifferentPorts(reader: Reader, ports: Readonly<Record<string, number | undefined>>): void {
  const seen = new Map<number, string>();
  for (const [name, port] of Object.entries(ports)) {
    const other = port === undefined ? undefined : seen.get(port);
    if (other !== undefined) reader.problem(`${other} and ${name} are both ${port}; give one another port.`);
    if (port !== undefined) seen.set(port, name);
  }
}

/**
 * Reads and checks every setting at once, so that one attempt shows all that is wrong. Throws SettingsError.
 * `environment` and `rolesOption` (from `--roles`) are what the command was given.
 */
export function readSettings(
  mode: Mode,
  environment: NodeJS.ProcessEnv = process.env,
  rolesOption?: string,
): SupervisorSettings {
  const problems: string[] = [];
  const reader = createReader(environment, problems);
  const port = (name: string): number | undefined => reader.wholeNumber(name, { from: 1, to: 65_535 });
  const roles = readRoles(reader, mode, rolesOption);
  if (mode === 'production') requireForProduction(reader, roles);
  const repositoryRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
  const cores = availableParallelism();
  checkPassedOn(reader);
  const givenDrainMs = reader.text('DRAIN_TIMEOUT_MS');
  const settings: SupervisorSettings = {
    mode,
    repositoryRoot,
    home: stateFolderOf(repositoryRoot, environment),
    dataPlanePort: port('DATA_PLANE_PORT') ?? 8080,
    controlPlanePort: port('CONTROL_PLANE_PORT') ?? 4000,
    bindAddress: readBindAddress(reader, mode),
    dataPlaneProcesses:
      reader.wholeNumber('DATA_PLANE_PROCESSES', { from: 1, to: 256 }) ??
      (mode === 'production' ? cores : Math.min(cores, MOST_DEVELOPMENT_PROCESSES)),
    databaseUrl: connectionUrl(reader, 'DATABASE_URL', ['postgres:', 'postgresql:']),
    redisUrl: connectionUrl(reader, 'REDIS_URL', ['redis:', 'rediss:']),
    ...readSecrets(reader, mode),
    roles,
    logLevel: reader.oneOf('LOG_LEVEL', LOG_LEVELS) ?? 'info',
    drainTimeoutMs: givenDrainMs === undefined ? DEFAULT_DRAIN_MS[mode] : Number(givenDrainMs),
    sandboxPort: port('SANDBOX_PORT'),
    configuredVendors: readConfiguredVendors(reader),
    commandStartedAtMs: reader.wholeNumber('CROSSMODEL_STARTED_AT_MS', {
      from: 0,
      to: Number.MAX_SAFE_INTEGER,
    }),
    installMs: reader.wholeNumber('CROSSMODEL_INSTALL_MS', { from: 0, to: Number.MAX_SAFE_INTEGER }) ?? 0,
    environment,
  };
  requireDifferentPorts(reader, {
    DATA_PLANE_PORT: settings.dataPlanePort,
    CONTROL_PLANE_PORT: settings.controlPlanePort,
    SANDBOX_PORT: settings.sandboxPort,
  });
  if (problems.length > 0) throw new SettingsError(problems.join('\n'));
  return settings;
}
