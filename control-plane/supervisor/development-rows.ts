import { type SettingRow, wholeNumber } from './setting-row.ts';

/** What only development installations have: the sandbox provider, and ways to this machine. */
export const DEVELOPMENT_ROWS: readonly SettingRow[] = [
  {
    name: 'WEBHOOKS_TO_LOOPBACK',
    allowed: 'true or false',
    fallback: 'false',
    meaning: 'Development only: whether webhook endpoints may be on this machine, also without TLS',
    check: { values: ['true', 'false'] },
  },
  {
    name: 'MEDIA_FROM_LOOPBACK',
    allowed: 'true or false',
    fallback: 'false',
    meaning: 'Development only: whether image and file URLs may lead to this machine, also without TLS',
    check: { values: ['true', 'false'] },
  },
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
    check: { values: ['realistic', 'instant'] },
  },
  wholeNumber(
    'SANDBOX_FIRST_TOKEN_MS',
    { from: 0, to: 60_000 },
    '150',
    'Development only: its time to the first token',
  ),
  wholeNumber(
    'SANDBOX_TOKENS_PER_SECOND',
    { from: 1, to: 100_000 },
    '60',
    'Development only: its output rate',
  ),
];
