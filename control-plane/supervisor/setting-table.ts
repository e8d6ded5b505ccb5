import { VENDORS } from '#control-plane/catalog/vendors.ts';

/** One row of the table that the README and `--help` show. */
export interface SettingRow {
  readonly name: string;
  readonly allowed: string;
  /** What holds when it is not set; '' when nothing does. */
  readonly fallback: string;
  readonly meaning: string;
}

const PLACES: readonly SettingRow[] = [
  {
    name: 'CROSSMODEL_HOME',
    allowed: 'a path',
    fallback: '.crossmodel in the clone',
    meaning: 'State folder: databases, secrets, spools, logs, `dev.json`, `processes.json`',
  },
  {
    name: 'DATA_PLANE_PORT',
    allowed: '1 to 65535',
    fallback: '8080',
    meaning: 'Port of `/v1`, shared by all data-plane processes',
  },
  {
    name: 'CONTROL_PLANE_PORT',
    allowed: '1 to 65535',
    fallback: '4000',
    meaning: 'Port of the GraphQL API',
  },
  {
    name: 'BIND_ADDRESS',
    allowed: 'an IP address',
    fallback: '127.0.0.1; in production 0.0.0.0',
    meaning: 'Address on which both planes listen',
  },
  {
    name: 'DATA_PLANE_PROCESSES',
    allowed: '1 to 256',
    fallback: 'one per core; in development at most 4',
    meaning: 'Number of data-plane processes on this host',
  },
];

const STORES: readonly SettingRow[] = [
  {
    name: 'DATABASE_URL',
    allowed: 'postgres://user:password@host:port/database',
    fallback: 'an embedded Postgres; none in production',
    meaning: 'Postgres 15 or newer',
  },
  {
    name: 'REDIS_URL',
    allowed: 'redis:// or rediss://',
    fallback: 'a Redis of our own; none in production',
    meaning: 'Redis 7 or Valkey, with `maxmemory-policy noeviction`',
  },
];

const SECRETS: readonly SettingRow[] = [
  {
    name: 'CROSSMODEL_SECRET_KEY',
    allowed: '64 hexadecimal digits',
    fallback: 'made once in the state folder; none in production',
    meaning: 'Seals provider credentials; the same on every host. Make one: `openssl rand -hex 32`',
  },
  {
    name: 'CROSSMODEL_OPERATOR_TOKEN',
    allowed: '32 to 256 letters, digits, `_` or `-`',
    fallback: 'made once in `dev.json`; none in production',
    meaning: 'Bearer token that may operate the installation. Make one: `openssl rand -hex 32`',
  },
];

const BEHAVIOUR: readonly SettingRow[] = [
  {
    name: 'CROSSMODEL_ROLES',
    allowed: 'data-plane, control-plane, workers, with commas',
    fallback: 'all three',
    meaning: 'Production only: what runs on this host (also `--roles`)',
  },
  {
    name: 'LOG_LEVEL',
    allowed: 'trace, debug, info, warn, error, fatal or silent',
    fallback: 'info',
    meaning: 'How much the processes log; prompts, completions and keys never',
  },
  {
    name: 'SNAPSHOT_BOOT_WAIT_MS',
    allowed: '0 to 600000',
    fallback: '2000',
    meaning: 'How long a starting data plane asks Redis before it uses its copy on disk',
  },
  {
    name: 'SNAPSHOT_MAX_AGE_SECONDS',
    allowed: '1 to 31536000',
    fallback: '86400',
    meaning: '`/readyz` fails when the configuration is older than this',
  },
  {
    name: 'SHUTDOWN_GRACE_SECONDS',
    allowed: '1 to 3600',
    fallback: '10; in production 60',
    meaning: 'How long open streams may go on after a signal to end',
  },
];

const SANDBOX: readonly SettingRow[] = [
  {
    name: 'SANDBOX_PORT',
    allowed: '1 to 65535',
    fallback: 'a free port',
    meaning: 'Development only: loopback port of the sandbox provider',
  },
  {
    name: 'SANDBOX_PACE',
    allowed: 'realistic or instant',
    fallback: 'realistic',
    meaning: 'Development only: whether the sandbox takes the time that a model would',
  },
  {
    name: 'SANDBOX_FIRST_TOKEN_MS',
    allowed: '0 to 60000',
    fallback: '150',
    meaning: 'Development only: its time to the first token',
  },
  {
    name: 'SANDBOX_TOKENS_PER_SECOND',
    allowed: '1 to 100000',
    fallback: '60',
    meaning: 'Development only: its output rate',
  },
];

/** Every setting but those of the providers, in the order in which people look for them. */
export const SETTING_ROWS: readonly SettingRow[] = [
  ...PLACES,
  ...STORES,
  ...SECRETS,
  ...BEHAVIOUR,
  ...SANDBOX,
];

/** `<PREFIX>_API_KEY` and `<PREFIX>_BASE_URL` for every vendor of the catalog. */
export const PROVIDER_ROWS: readonly SettingRow[] = VENDORS.flatMap((vendor) => [
  {
    name: `${vendor.environmentPrefix}_API_KEY`,
    allowed: 'printable ASCII',
    fallback: '',
    meaning: `${vendor.displayName}: our credential there`,
  },
  {
    name: `${vendor.environmentPrefix}_BASE_URL`,
    allowed: 'http:// or https://',
    fallback: vendor.defaultBaseUrl,
    meaning: `${vendor.displayName}: where its API is`,
  },
]);

/** The table as plain text, for `--help`. */
export function settingsAsText(): string {
  const rows = [...SETTING_ROWS, ...PROVIDER_ROWS];
  const width = Math.max(...rows.map(({ name }) => name.length)) + 2;
  const lines = rows.map(({ name, allowed, fallback, meaning }) => {
    const details = fallback === '' ? allowed : `${allowed}; default: ${fallback}`;
    return `  ${name.padEnd(width)}${meaning.replaceAll('`', '')}\n  ${''.padEnd(width)}(${details.replaceAll('`', '')})`;
  });
  return `Settings (environment variables):\n\n${lines.join('\n')}\n`;
}
