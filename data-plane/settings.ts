import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { AddressRanges, isAddressRange } from '#shared/address-range.ts';
import { parseSealingKey, type SealingKey } from '#shared/sealed-secret.ts';
import type { BodyLimits } from './http/request-intake.ts';
import type { SilenceLimits } from './lanes/attempt.ts';

export interface DataPlaneSettings {
  readonly mode: 'development' | 'production';
  /** State folder, absolute. */
  readonly home: string;
  readonly redisUrl: string;
  readonly sealingKey: SealingKey;
  readonly bindAddress: string;
  readonly port: number;
  /** Which of the data-plane processes of this host this is, from 0. */
  readonly slot: number;
  readonly slotCount: number;
  readonly logLevel: string;
  readonly snapshotBootWaitMs: number;
  readonly snapshotMaxAgeMs: number;
  readonly metricsAddress: string;
  /** 0: any free port. */
  readonly metricsPort: number;
  readonly spoolCapacityBytes: number;
  readonly spoolDurable: boolean;
  readonly outageAllowanceNano: bigint;
  readonly bodyLimits: BodyLimits;
  readonly trustedProxies: AddressRanges;
  readonly silenceLimits: SilenceLimits;
  /** Development only: media URLs may lead to this machine, and need no TLS then. */
  readonly mediaFromLoopback: boolean;
  readonly upstreamClient: 'own' | 'undici';
  readonly connectTimeoutMs: number;
  readonly idleConnectionMs: number;
  /** How long open requests may go on after the process was told to stop. */
  readonly drainTimeoutMs: number;
}

const MIBIBYTE = 1024 * 1024;
const MS_PER_SECOND = 1_000;
const NANO_PER_MICRO = 1_000n;
const MAX_PORT = 65_535;
const MAX_TIMEOUT_MS = 3_600_000;

const port = z.coerce.number().int().min(0).max(MAX_PORT);
const timeoutMs = z.coerce.number().int().min(1).max(MAX_TIMEOUT_MS);
const sealingKey = z.string().transform((text, context) => {
  const key = parseSealingKey(text);
  if (key !== undefined) return key;
  context.addIssue('must be 64 hex digits or base64 of 32 bytes');
  return z.NEVER;
});

const addressRanges = z.string().transform((text, context) => {
  const ranges = text
    .split(',')
    .map((range) => range.trim())
    .filter((range) => range !== '');
  if (ranges.every(isAddressRange)) return new AddressRanges(ranges);
  context.addIssue('must be IP addresses and CIDR ranges, with commas');
  return z.NEVER;
});

const environmentSchema = z.object({
  CROSSMODEL_MODE: z.enum(['development', 'production']).default('development'),
  CROSSMODEL_HOME: z.string().refine(isAbsolute, 'must be an absolute path'),
  REDIS_URL: z.string().regex(/^rediss?:\/\//, 'must start with redis:// or rediss://'),
  CROSSMODEL_SECRET_KEY: sealingKey,
  BIND_ADDRESS: z.string().min(1).optional(),
  DATA_PLANE_PORT: port.default(8080),
  DATA_PLANE_SLOT: z.coerce.number().int().min(0).default(0),
  DATA_PLANE_PROCESSES: z.coerce.number().int().min(1).default(1),
  TRUSTED_PROXIES: addressRanges.default(new AddressRanges([])),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  /** How long a start tries Redis before it takes the last snapshot from disk. */
  SNAPSHOT_BOOT_WAIT_MS: timeoutMs.default(2_000),
  /** With an older snapshot the process is not ready. */
  SNAPSHOT_MAX_AGE_SECONDS: z.coerce.number().min(1).default(86_400),
  MAX_BODY_BYTES: z.coerce
    .number()
    .int()
    .min(1_024)
    .max(1024 * MIBIBYTE)
    .default(32 * MIBIBYTE),
  UPLOAD_TIMEOUT_MS: timeoutMs.default(60_000),
  UPSTREAM_CLIENT: z.enum(['own', 'undici']).default('own'),
  UPSTREAM_CONNECT_TIMEOUT_MS: timeoutMs.default(10_000),
  /** From the request to the head of the provider's answer; long thoughts come before the head when nothing is streamed. */
  UPSTREAM_FIRST_BYTE_TIMEOUT_MS: timeoutMs.default(600_000),
  /** Between two signs of life within an answer; a provider's heartbeats are none, and some think for minutes. */
  UPSTREAM_IDLE_TIMEOUT_MS: timeoutMs.default(300_000),
  /** An idle connection to a provider is kept this long. */
  UPSTREAM_IDLE_CONNECTION_MS: timeoutMs.default(30_000),
  /** A streaming client hears a keep-alive after this much silence: before ten seconds have passed. */
  KEEP_ALIVE_AFTER_MS: timeoutMs.default(9_000),
  MEDIA_FROM_LOOPBACK: z.stringbool().default(false),
  DRAIN_TIMEOUT_MS: timeoutMs.default(30_000),
  METRICS_ADDRESS: z.string().min(1).default('127.0.0.1'),
  METRICS_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
  /** Unconfirmed usage above which new requests are refused. */
  SPOOL_CAPACITY_BYTES: z.coerce
    .number()
    .int()
    .min(MIBIBYTE)
    .default(1024 * MIBIBYTE),
  /** `true`: usage survives power loss, for one disk flush per tick. */
  SPOOL_FSYNC: z.stringbool().default(false),
  /** What an account may spend per process while its balance cannot be checked, micro-USD. */
  OUTAGE_ALLOWANCE_MICRO_USD: z.coerce.bigint().min(0n).default(100_000n),
});

/** Reads the environment once. Throws a `ZodError` that names every setting at fault. */
export function readSettings(environment: NodeJS.ProcessEnv = process.env): DataPlaneSettings {
  const parsed = environmentSchema.parse(environment);
  const mode = parsed.CROSSMODEL_MODE;
  return Object.freeze({
    mode,
    home: parsed.CROSSMODEL_HOME,
    redisUrl: parsed.REDIS_URL,
    sealingKey: parsed.CROSSMODEL_SECRET_KEY,
    bindAddress: parsed.BIND_ADDRESS ?? (mode === 'production' ? '0.0.0.0' : '127.0.0.1'),
    port: parsed.DATA_PLANE_PORT,
    slot: parsed.DATA_PLANE_SLOT,
    slotCount: parsed.DATA_PLANE_PROCESSES,
    logLevel: parsed.LOG_LEVEL,
    snapshotBootWaitMs: parsed.SNAPSHOT_BOOT_WAIT_MS,
    snapshotMaxAgeMs: parsed.SNAPSHOT_MAX_AGE_SECONDS * MS_PER_SECOND,
    metricsAddress: parsed.METRICS_ADDRESS,
    /** The control plane and the workers have the first two ports. */
    metricsPort: parsed.METRICS_PORT === 0 ? 0 : parsed.METRICS_PORT + 2 + parsed.DATA_PLANE_SLOT,
    spoolCapacityBytes: parsed.SPOOL_CAPACITY_BYTES,
    spoolDurable: parsed.SPOOL_FSYNC,
    outageAllowanceNano: parsed.OUTAGE_ALLOWANCE_MICRO_USD * NANO_PER_MICRO,
    trustedProxies: parsed.TRUSTED_PROXIES,
    bodyLimits: { maxBodyBytes: parsed.MAX_BODY_BYTES, uploadTimeoutMs: parsed.UPLOAD_TIMEOUT_MS },
    silenceLimits: {
      firstByteTimeoutMs: parsed.UPSTREAM_FIRST_BYTE_TIMEOUT_MS,
      idleTimeoutMs: parsed.UPSTREAM_IDLE_TIMEOUT_MS,
      keepAliveAfterMs: parsed.KEEP_ALIVE_AFTER_MS,
    },
    // Production never opens the guard, whatever the environment says.
    mediaFromLoopback: parsed.MEDIA_FROM_LOOPBACK && mode === 'development',
    upstreamClient: parsed.UPSTREAM_CLIENT,
    connectTimeoutMs: parsed.UPSTREAM_CONNECT_TIMEOUT_MS,
    idleConnectionMs: parsed.UPSTREAM_IDLE_CONNECTION_MS,
    drainTimeoutMs: parsed.DRAIN_TIMEOUT_MS,
  });
}
