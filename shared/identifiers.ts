import { randomFillSync } from 'node:crypto';
import type { Clock } from './clock.ts';

/**
 * Inside the product an id is a UUIDv7 in its canonical 36-character form. At every edge (GraphQL, headers, URLs) it is
 * shown as `<prefix>_<32 hex digits>`, so that a reader and a log search can tell what it names.
 */
export const ID_PREFIXES = {
  Account: 'acct',
  ApiKey: 'key',
  ModelAlias: 'alias',
  Upstream: 'up',
  Route: 'route',
  Price: 'price',
  LedgerTransaction: 'txn',
  LedgerEntry: 'entry',
  AccessToken: 'tok',
  UsageRecord: 'req_cm',
  TopUp: 'topup',
  SavedCard: 'card',
  Refund: 'refund',
  Statement: 'stmt',
  DeadLetter: 'dead',
  AccountMember: 'member',
  AccountInvitation: 'invite',
  User: 'user',
  AuditEntry: 'audit',
  QuarantinedUsageRecord: 'qrec',
  UsageExport: 'uexp',
  LedgerExport: 'lexp',
  WebhookEndpoint: 'hook',
  WebhookEvent: 'event',
  WebhookDelivery: 'delivery',
} as const;
export type IdKind = keyof typeof ID_PREFIXES;

const KIND_BY_PREFIX = new Map<string, IdKind>(
  Object.entries(ID_PREFIXES).map(([kind, prefix]) => [prefix, kind as IdKind]),
);
const HEX_DIGITS = 32;
const PUBLIC_ID = /^([a-z_]+)_([0-9a-f]{32})$/;

/** Shows an internal UUID to the outside: `formatId('ApiKey', uuid)` → `key_…`. */
export function formatId(kind: IdKind, uuid: string): string {
  return `${ID_PREFIXES[kind]}_${uuidHex(uuid)}`;
}

/** The 32 hexadecimal digits of a UUID, with dashes or without. */
export function uuidHex(uuid: string): string {
  if (uuid.length === HEX_DIGITS) return uuid;
  return `${uuid.slice(0, 8)}${uuid.slice(9, 13)}${uuid.slice(14, 18)}${uuid.slice(19, 23)}${uuid.slice(24)}`;
}

/** Reads a public id back; `undefined` when the text is not an id of this product. */
export function parseId(text: string): { kind: IdKind; uuid: string } | undefined {
  const match = PUBLIC_ID.exec(text);
  const kind = match?.[1] === undefined ? undefined : KIND_BY_PREFIX.get(match[1]);
  const hex = match?.[2];
  if (!kind || hex === undefined) return undefined;
  return { kind, uuid: hexToUuid(hex) };
}

/** Reads a public id of one kind; `undefined` when it is malformed or names something else. */
export function parseIdOf(kind: IdKind, text: string): string | undefined {
  const parsed = parseId(text);
  return parsed?.kind === kind ? parsed.uuid : undefined;
}

function hexToUuid(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

const RANDOM_POOL_BYTES = 4096;
const RANDOM_BYTES_PER_ID = 8;
const COUNTER_BITS = 12;
const COUNTER_MAX = (1 << COUNTER_BITS) - 1;
const HEX_DIGITS_PER_BYTE = 2;
/** The third group of an id for each count: version 7 and the count. */
const VERSIONS = Array.from({ length: COUNTER_MAX + 1 }, (_, count) => (0x7000 | count).toString(16));

/**
 * Mints UUIDv7 ids (RFC 9562 section 6.2, method 1: a 12-bit counter behind the ms timestamp) that rise strictly within
 * one process, also when the clock steps back. Random bytes are drawn from a pool, one syscall per 512 ids.
 */
export function createIdMinter(clock: Clock): () => string {
  const pool = Buffer.alloc(RANDOM_POOL_BYTES);
  /** The pool with the variant bits of each id in place, as text. */
  let tails = '';
  let offset = RANDOM_POOL_BYTES;
  let lastMs = 0;
  /** Of `lastMs`, the first two groups of an id. */
  let time = '';
  let counter = 0;
  const setTime = (ms: number): void => {
    lastMs = ms;
    const digits = ms.toString(16).padStart(12, '0');
    time = `${digits.slice(0, 8)}-${digits.slice(8)}`;
  };
  return () => {
    if (offset === RANDOM_POOL_BYTES) {
      randomFillSync(pool);
      for (let at = 0; at < RANDOM_POOL_BYTES; at += RANDOM_BYTES_PER_ID)
        pool[at] = ((pool[at] ?? 0) & 0x3f) | 0x80;
      tails = pool.toString('hex');
      offset = 0;
    }
    const nowMs = clock.nowMs();
    if (nowMs > lastMs) {
      setTime(nowMs);
      // Start low so that a busy millisecond has room to count up before it borrows from the next one.
      counter = pool.readUInt16BE(offset + 1) & (COUNTER_MAX >> 1);
    } else if (counter === COUNTER_MAX) {
      setTime(lastMs + 1);
      counter = 0;
    } else {
      counter += 1;
    }
    const at = offset * HEX_DIGITS_PER_BYTE;
    offset += RANDOM_BYTES_PER_ID;
    return `${time}-${VERSIONS[counter] ?? ''}-${tails.slice(at, at + 4)}-${tails.slice(at + 4, at + 16)}`;
  };
}

/** The ms timestamp inside a UUIDv7. */
export function uuidTimeMs(uuid: string): number {
  return Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16);
}
