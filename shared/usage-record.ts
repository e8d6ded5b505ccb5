import type { FaultKind } from './fault.ts';
import type { TokenUsage } from './token-usage.ts';

/**
 * Bumped on every change of {@link UsageRecord}; a control plane reads its own version and the one before. Version 2 had no
 * network.
 */
export const USAGE_RECORD_FORMAT = 3;

export type Dialect = 'chat' | 'responses' | 'messages';
export type ProviderProtocol = 'chat' | 'responses' | 'messages' | 'gemini';

/**
 * What a data plane reports of one request, once. Numbers and ids only: no prompt, no completion, no key, and the
 * end-user id only as a keyed digest. `sequence` is assigned by the spool, from 1 without gaps.
 */
export interface UsageRecord {
  readonly format: typeof USAGE_RECORD_FORMAT;
  /** UUIDv7 of the request; its timestamp is the time of admission. */
  readonly requestId: string;
  readonly accountId: string;
  readonly apiKeyId: string;
  /** What the client asked for, at most 256 characters; `null` when the request failed before a model was known. */
  readonly requestedModel: string | null;
  /** The catalog model that was billed. */
  readonly model: string | null;
  readonly alias: string | null;
  readonly dialect: Dialect;
  readonly lane: 'forward' | 'translate' | null;
  /** Name of the upstream that answered, `null` when none was asked. */
  readonly upstream: string | null;
  readonly sandbox: boolean;
  readonly stream: boolean;
  readonly status: 'success' | 'error' | 'aborted';
  readonly httpStatus: number;
  readonly errorCode: FaultKind | null;
  readonly usage: TokenUsage;
  /** The price version used; `null` when nothing was billable. */
  readonly priceVersionId: string | null;
  /** Cost in nano-USD as a decimal string (JSON carries no bigint). */
  readonly costNano: string;
  /** From the arrival of the request to its last byte, ms. */
  readonly latencyMs: number;
  /** From the arrival of the request to the first content byte, ms; `null` when there was none. */
  readonly firstTokenMs: number | null;
  /** Keyed digest of the end-user id, 22 characters. */
  readonly endUser: string | null;
  /** How many refusals this record stands for; above ten a second they are counted, not listed. */
  readonly count: number;
  /** Label of the budget period that the cost counts against; absent: the key had no budget. */
  readonly budgetPeriod?: string;
  /** By how much the cost exceeds what was held for it, nano-USD as decimal text; absent: it does not. */
  readonly excessNano?: string;
  /** CIDR range that the request came from; in one record a minute of a key. */
  readonly network?: string;
}

/** What one wallet has lent to one spool, absolute. The wallet is an account id or a budget's name. */
export interface GrantTotal {
  readonly wallet: string;
  /** Nano-USD as decimal text; both only ever grow. */
  readonly grantedNano: string;
  readonly returnedNano: string;
}

const GRANT_LINE_START = '{"grants":';

/**
 * The spool line that must be written before lent money is used, so that Postgres knows what a process that fell silent may
 * still be spending.
 */
export function encodeGrantLine(grants: readonly GrantTotal[]): string {
  return `${GRANT_LINE_START}${JSON.stringify(grants)}}`;
}

/** Reads a grant line back; `undefined` when the line is something else, or not whole. */
export function decodeGrantLine(line: string): readonly GrantTotal[] | undefined {
  if (!line.startsWith(GRANT_LINE_START)) return undefined;
  try {
    const { grants } = JSON.parse(line) as { readonly grants: readonly GrantTotal[] };
    return grants.every(isGrantTotal) ? grants : undefined;
  } catch {
    return undefined;
  }
}

const AMOUNT = /^\d{1,18}$/;

function isGrantTotal({ wallet, grantedNano, returnedNano }: GrantTotal): boolean {
  return typeof wallet === 'string' && AMOUNT.test(grantedNano) && AMOUNT.test(returnedNano);
}

/** A run of records of one spool, `from`..`to` inclusive, as it travels over the Redis stream. */
export interface UsageBatch {
  readonly spool: string;
  readonly from: number;
  readonly to: number;
  /** One JSON record per line, in sequence order. */
  readonly lines: string;
}

/**
 * The last line of a spool whose process has ended: everything before it is settled when this line is taken in, and what
 * the process still held is free again.
 */
export const SPOOL_CLOSED_LINE = '{"closed":true}';
