import { describe, expect, it } from 'vitest';
import { presentedKey } from '#data-plane/admission/authenticate.ts';
import { estimatedInputTokens, holdFor, reservedTokens } from '#data-plane/admission/worst-case-cost.ts';
import type { PromptSize } from '#data-plane/dialects/dialect.ts';
import { planAttempts } from '#data-plane/routing/plan-attempts.ts';
import { resolveAlias } from '#data-plane/routing/resolve-model.ts';
import type { CompiledModel } from '#data-plane/snapshot/compiled-snapshot.ts';
import type { PriceVersion } from '#shared/price.ts';
import { TestSnapshot } from './support/fake-seams.ts';
import { testModel, testUpstream } from './support/gateway-under-test.ts';

const PROMPT: PromptSize = { textBytes: 1_000, images: 0, videos: 0, audioBytes: 0, fileReferences: 0 };
const tier = (aboveTokens: number, input: number, output: number): PriceVersion['tiers'][number] => ({
  aboveTokens,
  input,
  output,
  cacheRead: input / 10,
  cacheWrite5m: input * 1.25,
  cacheWrite1h: input * 2,
});
const price: PriceVersion = {
  id: 'p',
  effectiveAtMs: 0,
  tiers: [tier(0, 1_000_000, 4_000_000), tier(200_000, 2_000_000, 8_000_000)],
  perRequestNano: '7',
};
const model = testModel({ contextTokens: 500_000, maxOutputTokens: 8_000 });
const size = (prompt: Partial<PromptSize>, maxOutputTokens?: number, choiceCount = 1, stream = true) => ({
  prompt: { ...PROMPT, ...prompt },
  maxOutputTokens,
  choiceCount,
  stream,
});
const worstOf = (...args: Parameters<typeof holdFor>) => holdFor(...args).worstCaseNano;

describe('the worst case of a request', () => {
  it('is half a token per byte at the dearest input class, and the stated output for each choice', () => {
    expect(worstOf(size({}, 100, 3), model, price, false)).toBe(500n * 1_250n + 300n * 4_000n + 7n);
  });

  it('has 4,096 output tokens where no limit is stated, and never more than the model can give', () => {
    expect(worstOf(size({}), model, price, false)).toBe(500n * 1_250n + 4_096n * 4_000n + 7n);
    expect(worstOf(size({}, 1_000_000), model, price, false)).toBe(500n * 1_250n + 8_000n * 4_000n + 7n);
    const small = testModel({ contextTokens: 500_000, maxOutputTokens: 1_000 });
    expect(worstOf(size({}), small, price, false)).toBe(500n * 1_250n + 1_000n * 4_000n + 7n);
  });

  it('takes the dearest tier that the prompt can reach, for all classes', () => {
    expect(worstOf(size({ textBytes: 400_000 }, 1), model, price, false)).toBe(
      200_000n * 1_250n + 4_000n + 7n,
    );
    expect(worstOf(size({ textBytes: 400_002 }, 1), model, price, false)).toBe(
      200_001n * 2_500n + 8_000n + 7n,
    );
  });

  it('counts one-hour cache writes where the provider can report them', () => {
    expect(worstOf(size({}, 100), model, price, true)).toBe(500n * 2_000n + 100n * 4_000n + 7n);
  });

  it('has a prompt of at most the model’s context', () => {
    const endless = size({ textBytes: 30_000_000, videos: 3 }, 1);
    expect(worstOf(endless, model, price, false)).toBe(500_000n * 2_500n + 8_000n + 7n);
  });

  it('counts media by kind, not by bytes', () => {
    const text = worstOf(size({}, 1), model, price, false);
    expect(worstOf(size({ images: 2 }, 1), model, price, false) - text).toBe(20_000n * 1_250n);
    expect(worstOf(size({ audioBytes: 4_000 }, 1), model, price, false) - text).toBe(100n * 1_250n);
    expect(worstOf(size({ fileReferences: 1 }, 1), model, price, false) - text).toBe(50_000n * 1_250n);
  });
});

describe('the hold of an answer without a stated limit', () => {
  const inputNano = 500n * 1_250n + 7n;

  it('is the whole ceiling where it cannot be stopped, or the first step where that is not free', () => {
    expect(holdFor(size({}, undefined, 2, false), model, price, false)).toEqual({
      worstCaseNano: inputNano + 16_000n * 4_000n,
      leastNano: inputNano + 8_192n * 4_000n,
      steps: undefined,
    });
  });

  it('grows in steps up to the ceiling where it is streamed', () => {
    expect(holdFor(size({}, undefined, 2), model, price, false)).toEqual({
      worstCaseNano: inputNano + 8_192n * 4_000n,
      leastNano: undefined,
      steps: { firstTokens: 8_192, ceilingTokens: 16_000, stepTokens: 4_096, stepNano: 4_096n * 4_000n },
    });
  });

  it('needs no steps where the model cannot say more than one', () => {
    const small = testModel({ contextTokens: 500_000, maxOutputTokens: 4_096 });
    for (const stream of [true, false])
      expect(holdFor(size({}, undefined, 1, stream), small, price, false)).toEqual({
        worstCaseNano: inputNano + 4_096n * 4_000n,
        leastNano: undefined,
        steps: undefined,
      });
  });
});

describe('the tokens that a request reserves', () => {
  it('are an estimate of its prompt and at most 4,096 of output per choice', () => {
    expect(reservedTokens(size({}, 100, 2), model)).toBe(250 + 200);
    expect(reservedTokens(size({}, 7_000), model)).toBe(250 + 4_096);
    expect(reservedTokens(size({}), model)).toBe(250 + 4_096);
  });

  it('are estimated within the context of the model', () => {
    expect(estimatedInputTokens({ ...PROMPT, textBytes: 30_000_000 }, model)).toBe(500_000);
  });
});

describe('the key of a request', () => {
  const both = { authorization: 'Bearer cm-bearer', xApiKey: 'cm-x' };

  it('is the one whose header the endpoint prefers', () => {
    expect(presentedKey(both, 'bearer')).toBe('cm-bearer');
    expect(presentedKey(both, 'x-api-key')).toBe('cm-x');
  });

  it('is taken from the other header where the preferred one is missing', () => {
    expect(presentedKey({ authorization: 'Basic cm-bearer', xApiKey: 'cm-x' }, 'bearer')).toBe('cm-x');
    expect(presentedKey({ authorization: 'Bearer cm-bearer', xApiKey: ' ' }, 'x-api-key')).toBe('cm-bearer');
  });
});

describe('an alias', () => {
  const snapshot = new TestSnapshot();
  snapshot.addKey('cm-a', {
    aliases: [
      { alias: 'claude-opus', kind: 'exact', model: 'exact/one' },
      { alias: 'claude-', kind: 'prefix', model: 'short/one' },
      { alias: 'claude-opus', kind: 'prefix', model: 'long/one' },
      { alias: 'real/model', kind: 'exact', model: 'claude-opus' },
    ],
  });
  const [key] = [...snapshot.keys.values()];

  it.each([
    ['claude-opus', 'exact/one', 'claude-opus'],
    ['claude-opus-4', 'long/one', 'claude-opus'],
    ['claude-sonnet', 'short/one', 'claude-'],
    ['Claude-sonnet', 'Claude-sonnet', null],
    ['real/model', 'claude-opus', 'real/model'],
  ])('%s means %s: exact, then the longest prefix, one step, case counts', (requested, target, alias) => {
    if (key === undefined) throw new Error('The key is missing');
    expect(resolveAlias(requested, key)).toEqual({ target, alias });
  });
});

describe('the plan of attempts', () => {
  const route = (
    providerModel: string,
    priority: number,
    weight: number,
    protocol: 'chat' | 'gemini' = 'chat',
    origin = 'http://127.0.0.1:1',
  ) => ({
    upstream: testUpstream(origin, { protocol }),
    providerModel,
    priority,
    weight,
  });
  const plan = (routes: CompiledModel['routes'], random: () => number): string[] =>
    planAttempts({ config: testModel(), prices: [], routes }, 'chat', random).map(
      ({ providerModel }) => providerModel,
    );

  it('goes by priority', () => {
    expect(plan([route('a', 0, 1), route('b', 1, 100), route('c', 2, 1)], () => 0)).toEqual(['a', 'b', 'c']);
  });

  it('draws among equals in proportion to their weights', () => {
    const routes = [route('a', 0, 1), route('b', 0, 3)];
    const firsts = Array.from({ length: 100 }, (_, index) => plan(routes, () => index / 100)[0]);
    expect(firsts.filter((name) => name === 'a')).toHaveLength(25);
  });

  it('uses routes without weight last, and routes that need translation after all that do not', () => {
    const elsewhere = 'http://127.0.0.1:2';
    expect(
      plan([route('c', 0, 5, 'gemini', elsewhere), route('a', 1, 0), route('b', 1, 1)], () => 0),
    ).toEqual(['b', 'a', 'c']);
    expect(plan([route('c', 0, 5, 'gemini')], () => 0)).toEqual(['c']);
    expect(plan([], () => 0)).toEqual([]);
  });

  it('does not count a second protocol of the same endpoint and credential as a second chance', () => {
    expect(plan([route('a', 0, 1, 'gemini'), route('b', 1, 1)], () => 0)).toEqual(['b']);
  });

  it('takes function calls to models that refuse them over chat by the other protocol of the same endpoint', () => {
    const upstream = (protocol: 'chat' | 'responses', vendor: string) =>
      testUpstream('http://127.0.0.1:1', { protocol, vendor });
    const protocolFor = (providerModel: string, callsFunctions: boolean, vendor = 'openai') => {
      const routes = (['chat', 'responses'] as const).map((protocol, priority) => ({
        upstream: upstream(protocol, vendor),
        providerModel,
        priority,
        weight: 1,
      }));
      const plan = planAttempts(
        { config: testModel(), prices: [], routes },
        'messages',
        () => 0,
        callsFunctions,
      );
      return plan.map((each) => each.upstream.protocol);
    };
    expect(protocolFor('gpt-5.6-terra', true)).toEqual(['responses']);
    expect(protocolFor('gpt-6-sol', true)).toEqual(['responses']);
    expect(protocolFor('gpt-5.6-terra', false)).toEqual(['chat']);
    expect(protocolFor('gpt-5-mini', true)).toEqual(['chat']);
    expect(protocolFor('gpt-5.6-terra', true, 'openrouter')).toEqual(['chat']);
    const chatOnly = [
      { upstream: upstream('chat', 'openai'), providerModel: 'gpt-6-sol', priority: 0, weight: 1 },
    ];
    const model = { config: testModel(), prices: [], routes: chatOnly };
    expect(planAttempts(model, 'messages', () => 0, true)).toHaveLength(1);
  });

  it('stops after four', () => {
    expect(
      plan(
        ['a', 'b', 'c', 'd', 'e'].map((name, index) => route(name, index, 1)),
        () => 0,
      ),
    ).toHaveLength(4);
  });
});
