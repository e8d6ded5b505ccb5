import { VENDORS } from '#control-plane/catalog/vendors.ts';
import { DEVELOPMENT_ROWS } from './development-rows.ts';
import { PAYMENT_ROWS } from './payment-rows.ts';
import { ONE_HOUR_MS, type SettingRow, wholeNumber } from './setting-row.ts';

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

const EDGE: readonly SettingRow[] = [
  {
    name: 'TRUSTED_PROXIES',
    allowed: 'IP addresses and CIDR ranges, with commas',
    fallback: 'none',
    meaning: 'Proxies whose `x-forwarded-for` tells the address of a client',
  },
  {
    name: 'CONSOLE_ORIGINS',
    allowed: 'origins, with commas',
    fallback: 'none',
    meaning: 'Web pages of other origins that may call the GraphQL API, such as a console',
  },
  {
    name: 'CONTROL_PLANE_URL',
    allowed: 'an origin',
    fallback: 'http://127.0.0.1 and the port',
    meaning: 'Where browsers and links in mails find the control plane; https in production',
  },
  {
    name: 'API_COST_PER_MINUTE',
    allowed: 'a whole number above 0',
    fallback: '100000',
    meaning:
      'What one token or person may ask of the GraphQL API: 10 per request and 1 per object of its pages',
  },
  wholeNumber(
    'API_TIMEOUT_MS',
    { from: 100, to: 600_000 },
    '15000',
    'How long a GraphQL request may run before it is answered with `TIMEOUT`',
  ),
  {
    name: 'SMTP_URL',
    allowed: 'smtp:// or smtps://, with user and password',
    fallback: 'files in `outbox/` of the state folder; no mail in production',
    meaning: 'The server that sends mail: confirmations, invitations, new passwords',
  },
  {
    name: 'MAIL_FROM',
    allowed: 'an e-mail address, with a name if you like',
    fallback: 'CrossModel <no-reply@localhost>',
    meaning: 'The sender of mail',
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
  wholeNumber(
    'SNAPSHOT_BOOT_WAIT_MS',
    { from: 1, to: ONE_HOUR_MS },
    '2000',
    'How long a starting data plane asks Redis before it uses its copy on disk',
  ),
  wholeNumber(
    'SNAPSHOT_MAX_AGE_SECONDS',
    { from: 1, to: 31_536_000 },
    '86400',
    '`/readyz` fails when the configuration is older than this',
  ),
  wholeNumber(
    'DRAIN_TIMEOUT_MS',
    { from: 1, to: ONE_HOUR_MS },
    '10000; in production 30000',
    'How long open requests may go on after a signal to end',
  ),
];

const REQUESTS: readonly SettingRow[] = [
  wholeNumber('MAX_BODY_BYTES', { from: 1_024, to: 1_073_741_824 }, '33554432', 'Largest request body'),
  wholeNumber(
    'UPLOAD_TIMEOUT_MS',
    { from: 1, to: ONE_HOUR_MS },
    '60000',
    'How long a client may take to send its request',
  ),
  {
    name: 'UPSTREAM_CLIENT',
    allowed: 'own or undici',
    fallback: 'own',
    meaning: 'Which HTTP client calls providers: our own, or undici',
    check: { values: ['own', 'undici'] },
  },
  wholeNumber(
    'UPSTREAM_CONNECT_TIMEOUT_MS',
    { from: 1, to: ONE_HOUR_MS },
    '10000',
    'How long connecting to a provider may take',
  ),
  wholeNumber(
    'UPSTREAM_FIRST_BYTE_TIMEOUT_MS',
    { from: 1, to: ONE_HOUR_MS },
    '600000',
    'How long a provider may take to begin its answer',
  ),
  wholeNumber(
    'UPSTREAM_IDLE_TIMEOUT_MS',
    { from: 1, to: ONE_HOUR_MS },
    '300000',
    'How long a provider may be silent within an answer',
  ),
  wholeNumber(
    'UPSTREAM_IDLE_CONNECTION_MS',
    { from: 1, to: ONE_HOUR_MS },
    '30000',
    'How long an unused connection to a provider is kept',
  ),
  wholeNumber(
    'KEEP_ALIVE_AFTER_MS',
    { from: 1, to: ONE_HOUR_MS },
    '9000',
    'Silence after which a streaming client is sent a keep-alive',
  ),
];

const USAGE: readonly SettingRow[] = [
  wholeNumber(
    'SPOOL_CAPACITY_BYTES',
    { from: 1_048_576, to: Number.MAX_SAFE_INTEGER },
    '1073741824',
    'Unconfirmed usage on disk above which a process refuses new requests',
  ),
  {
    name: 'SPOOL_FSYNC',
    allowed: 'true or false',
    fallback: 'false',
    meaning: 'Whether usage survives a power failure too, for one disk flush per tick',
    check: { values: ['true', 'false'] },
  },
  wholeNumber(
    'OUTAGE_ALLOWANCE_MICRO_USD',
    { from: 0, to: 1_000_000_000 },
    '100000',
    'What an account may spend per process while its balance cannot be checked',
  ),
  wholeNumber(
    'USAGE_RETENTION_MONTHS',
    { from: 0, to: 1_200 },
    '0',
    'Whole months of usage records that are kept before the current one; daily totals and the ledger stay; 0 keeps all',
  ),
  wholeNumber(
    'RECONCILE_INTERVAL_MINUTES',
    { from: 1, to: 10_080 },
    '60',
    'How often ledger, usage, balances and Redis are compared with each other',
  ),
];

const METRICS: readonly SettingRow[] = [
  {
    name: 'METRICS_ADDRESS',
    allowed: 'an IP address',
    fallback: '127.0.0.1',
    meaning: 'Address on which each process serves its `/metrics`; it asks for no token',
  },
  wholeNumber(
    'METRICS_PORT',
    { from: 1, to: 65_000 },
    'free ports, named in `metrics/` of the state folder',
    'Port of the metrics of the control plane; the workers take the next, data planes those after it',
  ),
];

/** Every setting but those of the providers, in the order in which people look for them. */
export const SETTING_ROWS: readonly SettingRow[] = [
  ...PLACES,
  ...EDGE,
  ...STORES,
  ...SECRETS,
  ...BEHAVIOUR,
  ...REQUESTS,
  ...USAGE,
  ...METRICS,
  ...PAYMENT_ROWS,
  ...DEVELOPMENT_ROWS,
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
