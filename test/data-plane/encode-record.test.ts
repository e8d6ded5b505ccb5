import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeRecord } from '#data-plane/usage/encode-record.ts';
import type { UsageRecord } from '#shared/usage-record.ts';

const name = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('openai/gpt-4o-mini', '"', '\\', '\u2028', '\ud800', ''),
);
const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const digits = fc.bigInt({ min: 0n, max: 10n ** 18n }).map(String);
const nullable = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: null });
const usage = fc.record(
  {
    input: count,
    output: count,
    reasoning: count,
    cacheRead: count,
    cacheWrite5m: count,
    cacheWrite1h: count,
    source: fc.constantFrom('upstream' as const, 'estimated' as const),
    serviceTier: name,
    serverTools: fc.record({ web_search: count }),
  },
  {
    requiredKeys: [
      ...(['input', 'output', 'reasoning', 'cacheRead', 'cacheWrite5m'] as const),
      ...(['cacheWrite1h', 'source'] as const),
    ],
  },
);
/** Names every member, so that a new one must be added here and is then missed below. */
const members: { [Name in keyof Required<UsageRecord>]: fc.Arbitrary<Required<UsageRecord>[Name]> } = {
  format: fc.constant(3),
  requestId: fc.uuid(),
  accountId: fc.uuid(),
  apiKeyId: fc.uuid(),
  requestedModel: nullable(name),
  model: nullable(name),
  alias: nullable(name),
  dialect: fc.constantFrom('chat', 'responses', 'messages'),
  lane: fc.constantFrom('forward', 'translate', null),
  upstream: nullable(name),
  sandbox: fc.boolean(),
  stream: fc.boolean(),
  status: fc.constantFrom('success', 'error', 'aborted'),
  httpStatus: fc.constantFrom(200, 429, 503),
  errorCode: fc.constantFrom(null, 'rate_limit_exceeded', 'provider_error'),
  usage,
  priceVersionId: nullable(fc.uuid()),
  costNano: digits,
  latencyMs: count,
  firstTokenMs: nullable(count),
  endUser: nullable(name),
  count,
  budgetPeriod: name,
  excessNano: digits,
  network: fc.constantFrom('192.0.2.0/24', '2001:db8::/48'),
};

describe('a usage record in the spool', () => {
  it('is the JSON of the record, on one line', () => {
    const some = fc.record(members, {
      requiredKeys: (Object.keys(members) as (keyof UsageRecord)[]).filter(
        (key) => !['budgetPeriod', 'excessNano', 'network'].includes(key),
      ),
    });
    fc.assert(
      fc.property(some, (record) => {
        const line = encodeRecord(record as UsageRecord);
        expect(JSON.parse(line)).toEqual(JSON.parse(JSON.stringify(record)));
        expect(line).not.toContain('\n');
      }),
      { numRuns: 1_000 },
    );
  });
});
