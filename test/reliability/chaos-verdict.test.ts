import { describe, expect, it } from 'vitest';
import type { UsageRow } from '#test/acceptance/control-api.ts';
import type { PublishedTier } from '#test/acceptance/hand-price.ts';
import type { BookEntry } from '#test/fakes/mock-book.ts';
import { type Evidence, judge } from './chaos-verdict.ts';

const model = 'openai/gpt-5-mini';
const tier: PublishedTier = { threshold: 0, input: 250_000n, output: 2_000_000n, cacheRead: 25_000n };
const entry: BookEntry = {
  ...{
    id: 'chatcmpl-1',
    model: 'gpt-5-mini',
    stream: true,
    status: 200,
    usageStated: true,
    outcome: 'written',
  },
  ...{
    promptTokens: 101,
    cachedTokens: 40,
    completionTokens: 33,
    reasoningTokens: 0,
    startedAtMs: 1,
    endedAtMs: 2,
  },
};
const answer = { requestId: 'req_cm_1', completionId: 'chatcmpl-1', model, stream: true };
// 61 × 0.25 + 33 × 2 + 40 × 0.025 = 82.25 micro-USD
const record: UsageRow = {
  ...{ requestId: 'req_cm_1', status: 'SUCCESS', model, estimated: false, costUsd: '0.00008225' },
  ...{ inputTokens: 61, outputTokens: 33, cacheReadTokens: 40, cacheWriteTokens: 0 },
};
const sound: Evidence = {
  ...{ completed: [answer], book: [entry], records: [record], balanceDrop: 82_250n },
  prices: new Map([[model, [tier]]]),
};

describe('the verdict of a kill run', () => {
  it('finds nothing wrong when every answer is billed once and exactly', () => {
    expect(judge(sound)).toEqual({ billedExactly: 1, recordedCost: 82_250n, problems: [] });
  });

  it.each<[string, Partial<Evidence>, RegExp]>([
    ['a completed request without a record', { records: [], balanceDrop: 0n }, /completed but not recorded/],
    ['a request billed twice', { records: [record, record], balanceDrop: 164_500n }, /recorded 2 times/],
    [
      'a second record of the same tokens under another id',
      { records: [record, { ...record, requestId: 'req_cm_2' }], balanceDrop: 164_500n },
      /never stated/,
    ],
    ['other tokens than the provider stated', { records: [{ ...record, outputTokens: 34 }] }, /other tokens/],
    [
      'a cost that is off by one nano-USD',
      { records: [{ ...record, costUsd: '0.000082251' }], balanceDrop: 82_251n },
      /instead of 82250/,
    ],
    ['an estimate where counts were stated', { records: [{ ...record, estimated: true }] }, /estimated/],
    ['a completed request recorded as failed', { records: [{ ...record, status: 'ERROR' }] }, /status ERROR/],
    ['a balance that does not follow the records', { balanceDrop: 82_249n }, /balance fell by 82249/],
  ])('reports %s', (_, change, problem) => {
    expect(judge({ ...sound, ...change }).problems.join('\n')).toMatch(problem);
  });
});
