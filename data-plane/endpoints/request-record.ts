import type { CompiledKey, CompiledUpstream } from '#data-plane/snapshot/compiled-snapshot.ts';
import type { FaultKind } from '#shared/fault.ts';
import { NO_TOKENS, type TokenUsage } from '#shared/token-usage.ts';
import { type Dialect, USAGE_RECORD_FORMAT, type UsageRecord } from '#shared/usage-record.ts';
import type { Exchange } from './exchange.ts';

const MAX_REQUESTED_MODEL_LENGTH = 256;
const MAX_SERVICE_TIER_LENGTH = 64;

/** What is known of a request while it runs; turned into its usage record at the end. */
export interface RequestFacts {
  readonly dialect: Dialect;
  readonly key: CompiledKey;
  /** Where the client is, in the first request of a minute. */
  readonly network: string | undefined;
  requestedModel: string | null;
  model: string | null;
  alias: string | null;
  stream: boolean;
  endUser: string | null;
  upstream: CompiledUpstream | null;
  lane: UsageRecord['lane'];
  firstTokenMs: number | null;
  /** Label of the budget period that the request was admitted under. */
  budgetPeriod: string | undefined;
}

export function openFacts(dialect: Dialect, key: CompiledKey, network?: string): RequestFacts {
  return {
    dialect,
    key,
    network,
    requestedModel: null,
    model: null,
    alias: null,
    stream: false,
    endUser: null,
    upstream: null,
    lane: null,
    firstTokenMs: null,
    budgetPeriod: undefined,
  };
}

export interface RequestResult {
  readonly status: UsageRecord['status'];
  readonly httpStatus: number;
  readonly errorCode: FaultKind | null;
  readonly usage: TokenUsage;
  readonly priceVersionId: string | null;
  readonly costNano: bigint;
}

/** A request that cost nothing. */
export function unbilled(
  status: 'error' | 'aborted',
  httpStatus: number,
  errorCode: FaultKind,
): RequestResult {
  return { status, httpStatus, errorCode, usage: NO_TOKENS, priceVersionId: null, costNano: 0n };
}

/** `excessNano`: by how much the cost is more than was held; `endedAtMs` is monotonic. */
export function buildRecord(
  exchange: Exchange,
  facts: RequestFacts,
  result: RequestResult,
  excessNano: bigint,
  endedAtMs: number,
): UsageRecord {
  const { config } = facts.key;
  return {
    format: USAGE_RECORD_FORMAT,
    requestId: exchange.requestId,
    accountId: config.accountId,
    apiKeyId: config.id,
    requestedModel: facts.requestedModel === null ? null : storableName(facts.requestedModel),
    model: facts.model,
    alias: facts.alias,
    dialect: facts.dialect,
    lane: facts.lane,
    upstream: facts.upstream?.name ?? null,
    sandbox: facts.upstream?.sandbox ?? false,
    stream: facts.stream,
    status: result.status,
    httpStatus: result.httpStatus,
    errorCode: result.errorCode,
    usage: storableUsage(result.usage),
    priceVersionId: result.priceVersionId,
    costNano: result.costNano.toString(),
    latencyMs: Math.round(endedAtMs - exchange.startedAtMs),
    firstTokenMs: facts.firstTokenMs,
    endUser: facts.endUser,
    count: 1,
    ...(facts.budgetPeriod === undefined ? {} : { budgetPeriod: facts.budgetPeriod }),
    ...(excessNano > 0n ? { excessNano: excessNano.toString() } : {}),
    ...(facts.network === undefined ? {} : { network: facts.network }),
  };
}

function storableUsage(usage: TokenUsage): TokenUsage {
  if (usage.serviceTier === undefined) return usage;
  return { ...usage, serviceTier: storableName(usage.serviceTier, MAX_SERVICE_TIER_LENGTH) };
}

/** A name as a record can carry it: bounded, and without what Postgres text cannot hold. A prefix alias matches any tail. */
function storableName(name: string, maxLength = MAX_REQUESTED_MODEL_LENGTH): string {
  const cut = name.length > maxLength ? name.slice(0, maxLength) : name;
  return cut.isWellFormed() && !cut.includes('\0') ? cut : cut.toWellFormed().replaceAll('\0', '\ufffd');
}
