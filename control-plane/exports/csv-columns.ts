import { stringify } from 'csv-stringify/sync';
import { formatId } from '#shared/identifiers.ts';
import { formatUsd } from '#shared/money.ts';
import type { LedgerEntryRow } from '../ledger/list-entries.ts';
import type { UsageRecordRow } from '../usage/list-usage-records.ts';

type Cell = string | number;
type Columns<Row> = readonly (readonly [header: string, read: (row: Row) => Cell])[];

/** Spreadsheets take a cell that begins like this for a formula, whoever wrote it. */
const FORMULA_START = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;

/** A text that others may have chosen, such as a model name or a description. Never to be used for numbers. */
function text(value: string | null): string {
  if (value === null) return '';
  return FORMULA_START.test(value) ? `'${value}` : value;
}

const yesOrNo = (value: boolean): string => (value ? 'true' : 'false');

export const USAGE_COLUMNS: Columns<UsageRecordRow> = [
  ['request_id', (row) => formatId('UsageRecord', row.requestId)],
  ['created_at', (row) => row.occurredAt.toISOString()],
  ['api_key_id', (row) => formatId('ApiKey', row.apiKeyId)],
  ['model', (row) => text(row.modelId)],
  ['requested_model', (row) => text(row.requestedModel)],
  ['alias', (row) => text(row.alias)],
  ['dialect', (row) => text(row.dialect)],
  ['stream', (row) => yesOrNo(row.stream)],
  ['sandbox', (row) => yesOrNo(row.sandbox)],
  ['status', (row) => row.status],
  ['http_status', (row) => row.httpStatus],
  ['error_code', (row) => text(row.errorCode)],
  ['request_count', (row) => row.requestCount],
  ['input_tokens', (row) => row.inputTokens],
  ['output_tokens', (row) => row.outputTokens],
  ['reasoning_tokens', (row) => row.reasoningTokens],
  ['cache_read_tokens', (row) => row.cacheReadTokens],
  ['cache_write_5m_tokens', (row) => row.cacheWrite5mTokens],
  ['cache_write_1h_tokens', (row) => row.cacheWrite1hTokens],
  ['estimated', (row) => yesOrNo(row.estimated)],
  ['service_tier', (row) => text(row.serviceTier)],
  ['cost_usd', (row) => formatUsd(row.costNano)],
  ['cost_nano', (row) => row.costNano.toString()],
  ['latency_ms', (row) => row.latencyMs],
  ['first_token_ms', (row) => row.firstTokenMs ?? ''],
  ['end_user', (row) => text(row.endUser)],
];

export const LEDGER_COLUMNS: Columns<LedgerEntryRow> = [
  ['entry_id', (row) => formatId('LedgerEntry', row.id)],
  ['created_at', (row) => row.createdAt.toISOString()],
  ['transaction_id', (row) => formatId('LedgerTransaction', row.transactionId)],
  ['kind', (row) => row.kind],
  ['credit', (row) => row.ledgerAccountKind],
  ['amount_usd', (row) => formatUsd(row.amountNano)],
  ['amount_nano', (row) => row.amountNano.toString()],
  ['description', (row) => text(row.description)],
];

export function headerLine<Row>(columns: Columns<Row>): string {
  return stringify([columns.map(([header]) => header)]);
}

export function csvLines<Row>(columns: Columns<Row>, rows: readonly Row[]): string {
  return stringify(rows.map((row) => columns.map(([, read]) => read(row))));
}
