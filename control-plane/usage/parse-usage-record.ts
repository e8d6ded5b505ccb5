import { isAddressRange } from '#shared/address-range.ts';
import { FAULTS } from '#shared/fault.ts';
import { uuidTimeMs } from '#shared/identifiers.ts';
import { SERVER_TOOLS, type ServerToolCalls, type TokenUsage } from '#shared/token-usage.ts';
import { USAGE_RECORD_FORMAT, type UsageRecord } from '#shared/usage-record.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const MAX_INTEGER = 2_147_483_647;
const MAX_TEXT = 256;
const MAX_COST_NANO = 9_000_000_000_000_000_000n;
/** What version 3 added is optional, so version 2 reads the same way. */
const READABLE_FORMATS: ReadonlySet<unknown> = new Set([USAGE_RECORD_FORMAT, 2]);
const MAX_SERVICE_TIER = 64;
const PERIOD_LABEL = /^(?:none|(?:day|week|month)-[\d-]{7,10})$/;
const DIALECTS = ['chat', 'responses', 'messages'];
const LANES = ['forward', 'translate'];
const SOURCES = ['upstream', 'estimated'];
const KNOWN_TOOLS: ReadonlySet<string> = new Set(SERVER_TOOLS);
const STATUSES = ['success', 'error', 'aborted'];

/** Why a line of a spool is not a usage record; becomes the reason in the quarantine. */
export class PoisonRecord extends Error {
  override readonly name = 'PoisonRecord';
}

/**
 * Reads one line of a spool. Everything the insert relies on is checked here, so that a record that passes cannot fail the
 * batch it travels with. Throws {@link PoisonRecord}, whose message names the field and never its value.
 */
export function parseUsageRecord(line: string): UsageRecord {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new PoisonRecord('not JSON');
  }
  if (typeof value !== 'object' || value === null) throw new PoisonRecord('not an object');
  const record = value as Readonly<Record<string, unknown>>;
  if (!READABLE_FORMATS.has(record.format)) throw new PoisonRecord('format');
  const requestId = uuid(record, 'requestId');
  if (uuidTimeMs(requestId) > Number.MAX_SAFE_INTEGER) throw new PoisonRecord('requestId');
  const errorCode = optionalText(record, 'errorCode');
  if (errorCode !== null && !(errorCode in FAULTS)) throw new PoisonRecord('errorCode');
  return {
    format: USAGE_RECORD_FORMAT,
    requestId,
    accountId: uuid(record, 'accountId', false),
    apiKeyId: uuid(record, 'apiKeyId', false),
    requestedModel: optionalText(record, 'requestedModel'),
    model: optionalText(record, 'model'),
    alias: optionalText(record, 'alias'),
    dialect: oneOf(record, 'dialect', DIALECTS) as UsageRecord['dialect'],
    lane: record.lane === null ? null : (oneOf(record, 'lane', LANES) as UsageRecord['lane']),
    upstream: optionalText(record, 'upstream'),
    sandbox: flag(record, 'sandbox'),
    stream: flag(record, 'stream'),
    status: oneOf(record, 'status', STATUSES) as UsageRecord['status'],
    httpStatus: integer(record, 'httpStatus', 999),
    errorCode: errorCode as UsageRecord['errorCode'],
    usage: tokenUsage(record.usage),
    priceVersionId: record.priceVersionId === null ? null : uuid(record, 'priceVersionId', false),
    costNano: nano(record, 'costNano'),
    latencyMs: integer(record, 'latencyMs'),
    firstTokenMs: record.firstTokenMs === null ? null : integer(record, 'firstTokenMs'),
    endUser: optionalText(record, 'endUser'),
    count: integer(record, 'count'),
    ...(record.budgetPeriod === undefined ? {} : { budgetPeriod: periodLabel(record) }),
    ...(record.excessNano === undefined ? {} : { excessNano: nano(record, 'excessNano') }),
    ...(record.network === undefined ? {} : { network: network(record) }),
  };
}

function periodLabel(fields: Fields): string {
  const value = fields.budgetPeriod;
  if (typeof value !== 'string' || !PERIOD_LABEL.test(value)) throw new PoisonRecord('budgetPeriod');
  return value;
}

function network(fields: Fields): string {
  const value = fields.network;
  if (typeof value !== 'string' || !isAddressRange(value)) throw new PoisonRecord('network');
  return value;
}

function tokenUsage(value: unknown): TokenUsage {
  if (typeof value !== 'object' || value === null) throw new PoisonRecord('usage');
  const usage = value as Readonly<Record<string, unknown>>;
  return {
    input: integer(usage, 'input'),
    output: integer(usage, 'output'),
    reasoning: integer(usage, 'reasoning'),
    cacheRead: integer(usage, 'cacheRead'),
    cacheWrite5m: integer(usage, 'cacheWrite5m'),
    cacheWrite1h: integer(usage, 'cacheWrite1h'),
    source: oneOf(usage, 'source', SOURCES) as TokenUsage['source'],
    ...serviceTier(usage),
    ...serverTools(usage.serverTools),
  };
}

function serviceTier(usage: Fields): Pick<TokenUsage, 'serviceTier'> {
  if (usage.serviceTier === undefined) return {};
  const name = optionalText(usage, 'serviceTier');
  if (name === null || name.length > MAX_SERVICE_TIER) throw new PoisonRecord('serviceTier');
  return { serviceTier: name };
}

function serverTools(value: unknown): Pick<TokenUsage, 'serverTools'> {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null) throw new PoisonRecord('serverTools');
  const calls = value as Fields;
  for (const tool of Object.keys(calls)) {
    if (!KNOWN_TOOLS.has(tool)) throw new PoisonRecord('serverTools');
    integer(calls, tool);
  }
  return { serverTools: calls as ServerToolCalls };
}

type Fields = Readonly<Record<string, unknown>>;

const ANY_UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

function uuid(fields: Fields, name: string, timeOrdered = true): string {
  const value = fields[name];
  if (typeof value !== 'string' || !(timeOrdered ? UUID : ANY_UUID).test(value)) throw new PoisonRecord(name);
  return value;
}

function integer(fields: Fields, name: string, maximum = MAX_INTEGER): number {
  const value = fields[name];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > maximum)
    throw new PoisonRecord(name);
  return value;
}

function optionalText(fields: Fields, name: string): string | null {
  const value = fields[name];
  if (value === null) return null;
  // Postgres text cannot hold NUL or lone surrogates; one such record would fail its whole batch.
  if (typeof value !== 'string' || value.length > MAX_TEXT || value.includes('\0') || !value.isWellFormed())
    throw new PoisonRecord(name);
  return value;
}

function oneOf(fields: Fields, name: string, allowed: readonly string[]): string {
  const value = fields[name];
  if (typeof value !== 'string' || !allowed.includes(value)) throw new PoisonRecord(name);
  return value;
}

function flag(fields: Fields, name: string): boolean {
  const value = fields[name];
  if (typeof value !== 'boolean') throw new PoisonRecord(name);
  return value;
}

function nano(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string' || !/^\d{1,19}$/.test(value) || BigInt(value) > MAX_COST_NANO)
    throw new PoisonRecord(name);
  return value;
}
