import { describe, expect, it } from 'vitest';
import { RefusalRecords } from '#data-plane/endpoints/refusal-records.ts';
import { NO_TOKENS } from '#shared/token-usage.ts';
import type { UsageRecord } from '#shared/usage-record.ts';
import { TestSpool } from './support/fake-seams.ts';

const refusal = (
  requestId: string,
  apiKeyId = 'key-1',
  errorCode: UsageRecord['errorCode'] = 'rate_limit_exceeded',
): UsageRecord => ({
  format: 3,
  requestId,
  accountId: 'account-1',
  apiKeyId,
  requestedModel: null,
  model: null,
  alias: null,
  dialect: 'chat',
  lane: null,
  upstream: null,
  sandbox: false,
  stream: false,
  status: 'error',
  httpStatus: 429,
  errorCode,
  usage: NO_TOKENS,
  priceVersionId: null,
  costNano: '0',
  latencyMs: 1,
  firstTokenMs: null,
  endUser: null,
  count: 1,
});

function open(): { book: RefusalRecords; spool: TestSpool; clock: { ms: number } } {
  const clock = { ms: 1_000_000 };
  const spool = new TestSpool();
  const book = new RefusalRecords(spool, { nowMs: () => clock.ms, monotonicMs: () => clock.ms });
  return { book, spool, clock };
}
const counts = (spool: TestSpool): number[] => spool.records.map(({ count }) => count);

describe('refusals of a known key', () => {
  it('are listed up to ten a second, and counted in one record beyond', () => {
    const { book, spool, clock } = open();
    let answered = 0;
    for (let index = 0; index < 25; index += 1) {
      book.add(refusal(`r${index}`), () => {
        answered += 1;
      });
    }
    expect(counts(spool)).toEqual(Array(10).fill(1));
    expect(answered).toBe(15);
    clock.ms += 1_000;
    book.sweep();
    expect(counts(spool)).toEqual([...Array(10).fill(1), 15]);
    expect(spool.records.at(-1)?.requestId).toBe('r10');
    book.close();
  });

  it('are counted apart by key and code, and afresh each second', () => {
    const { book, spool, clock } = open();
    const add = (...args: Parameters<typeof refusal>): void => book.add(refusal(...args), () => {});
    for (let index = 0; index < 11; index += 1) {
      add(`a${index}`);
      add(`b${index}`, 'key-2');
      add(`c${index}`, 'key-1', 'no_wallet');
    }
    expect(counts(spool)).toEqual(Array(30).fill(1));
    clock.ms += 1_000;
    add('next');
    expect(spool.records).toHaveLength(32);
    book.close();
    expect(spool.records.reduce((sum, { count }) => sum + count, 0)).toBe(34);
  });

  it('lose nothing when the process ends', () => {
    const { book, spool } = open();
    for (let index = 0; index < 12; index += 1) book.add(refusal(`r${index}`), () => {});
    book.close();
    expect(counts(spool)).toEqual([...Array(10).fill(1), 2]);
  });
});
