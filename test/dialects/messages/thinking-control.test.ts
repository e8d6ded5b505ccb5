import { describe, expect, it } from 'vitest';
import type { ProviderTarget } from '#data-plane/dialects/codec.ts';
import { MESSAGES_PROVIDER } from '#data-plane/dialects/messages/messages-codec.ts';
import type { JsonObject, ReasoningRequest, TurnRequest } from '#data-plane/dialects/turn.ts';
import { isFault } from '#shared/fault.ts';

type Capabilities = ProviderTarget['capabilities'];
const OLDER: Capabilities = { reasoningEfforts: undefined, thinkingBudget: true };
const BOTH: Capabilities = {
  reasoningEfforts: ['low', 'medium', 'high', 'max'],
  thinkingBudget: true,
  temperature: true,
};
const NEWER: Capabilities = {
  reasoningEfforts: ['low', 'medium', 'high'],
  thinkingBudget: true,
  temperature: false,
};
const PLAIN: Capabilities = { reasoningEfforts: undefined, thinkingBudget: false };

function thinkingOf(
  capabilities: Capabilities,
  reasoning: ReasoningRequest | undefined,
  fields: Partial<TurnRequest> = {},
): { thinking: JsonObject | undefined; effort: unknown; dropped: readonly string[] } {
  const turn: TurnRequest = {
    stream: false,
    messages: [{ role: 'user', parts: [{ kind: 'text', text: 'Hi' }] }],
    tools: [],
    maxOutputTokens: 64_000,
    extras: {},
    ...(reasoning === undefined ? {} : { reasoning }),
    ...fields,
  };
  const target = { providerModel: 'claude', vendor: 'anthropic', maxOutputTokens: 64_000, capabilities };
  const encoded = MESSAGES_PROVIDER.encodeRequest(turn, target);
  if (isFault(encoded)) throw new Error(encoded.message);
  const config = encoded.body.output_config as JsonObject | undefined;
  return {
    thinking: encoded.body.thinking as JsonObject | undefined,
    effort: config?.effort,
    dropped: encoded.dropped,
  };
}

const budget = (budget_tokens: number) => ({ type: 'enabled', budget_tokens });
const ADAPTIVE = { type: 'adaptive', display: 'summarized' };

describe('a wish for reasoning at a Messages provider', () => {
  it.each<[ReasoningRequest, number]>([
    [{ budgetTokens: 1 }, 1_024],
    [{ budgetTokens: 5_000 }, 5_000],
    [{ budgetTokens: 50_000 }, 32_000],
    [{ effort: 'minimal' }, 1_024],
    [{ effort: 'low' }, 2_048],
    [{ effort: 'medium' }, 8_192],
    [{ effort: 'high' }, 24_576],
    [{ effort: 'xhigh' }, 32_000],
    [{ mode: 'enabled' }, 8_192],
    [{ mode: 'adaptive' }, 8_192],
  ])('%o is a budget of %i tokens for a model that takes budgets', (reasoning, tokens) => {
    expect(thinkingOf(OLDER, reasoning)).toEqual({
      thinking: budget(tokens),
      effort: undefined,
      dropped: [],
    });
  });

  it.each<[ReasoningRequest, string | undefined]>([
    [{ effort: 'high' }, 'high'],
    [{ effort: 'max' }, 'high'],
    [{ effort: 'minimal' }, 'low'],
    [{ budgetTokens: 2_000 }, 'low'],
    [{ budgetTokens: 8_000 }, 'medium'],
    [{ budgetTokens: 31_999 }, 'high'],
    [{ mode: 'adaptive' }, undefined],
  ])('%o is adaptive thinking of effort %s for a newer model', (reasoning, effort) => {
    expect(thinkingOf(NEWER, reasoning)).toEqual({ thinking: ADAPTIVE, effort, dropped: [] });
  });

  it('is said as effort or as budget, as the client did, to a model that takes both', () => {
    expect(thinkingOf(BOTH, { effort: 'max' })).toMatchObject({ thinking: ADAPTIVE, effort: 'max' });
    expect(thinkingOf(BOTH, { budgetTokens: 2_000 })).toMatchObject({
      thinking: budget(2_000),
      effort: undefined,
    });
  });

  it('leaves room for the answer below the limit of tokens', () => {
    expect(thinkingOf(OLDER, { effort: 'high' }, { maxOutputTokens: 10_000 }).thinking).toEqual(
      budget(5_000),
    );
    expect(thinkingOf(OLDER, { budgetTokens: 9_000 }, { maxOutputTokens: 4_000 }).thinking).toEqual(
      budget(3_999),
    );
    expect(thinkingOf(OLDER, { effort: 'high' }, { maxOutputTokens: 500 })).toEqual({
      thinking: undefined,
      effort: undefined,
      dropped: ['reasoning.effort'],
    });
  });

  it('is reported by a model that cannot reason, and nothing is reported that nobody asked for', () => {
    expect(thinkingOf(PLAIN, { effort: 'high' })).toMatchObject({
      thinking: undefined,
      dropped: ['reasoning.effort'],
    });
    expect(thinkingOf({ ...NEWER, reasoning: false }, { effort: 'low' }).dropped).toEqual([
      'reasoning.effort',
    ]);
    expect(thinkingOf({ ...NEWER, reasoning: false }, { effort: 'none' }).thinking).toBeUndefined();
    expect(thinkingOf(PLAIN, { summary: 'auto' }).dropped).toEqual([]);
    expect(thinkingOf(PLAIN, { mode: 'disabled' }).dropped).toEqual([]);
    expect(thinkingOf(OLDER, undefined)).toEqual({ thinking: undefined, effort: undefined, dropped: [] });
  });

  it('is turned off aloud only where it is on by default', () => {
    expect(thinkingOf(NEWER, { effort: 'none' }).thinking).toEqual({ type: 'disabled' });
    expect(thinkingOf(OLDER, { mode: 'disabled' }).thinking).toBeUndefined();
  });

  it('gives way to a forced call, which a budget excludes and adaptive thinking does not', () => {
    const forced: Partial<TurnRequest> = {
      tools: [{ kind: 'function', name: 'look' }],
      toolChoice: { kind: 'required' },
    };
    expect(thinkingOf(OLDER, { effort: 'high' }, forced)).toMatchObject({
      thinking: undefined,
      dropped: ['reasoning.effort'],
    });
    expect(thinkingOf(NEWER, { effort: 'high' }, forced)).toMatchObject({ thinking: ADAPTIVE, dropped: [] });
  });

  it('gives way inside a tool loop that another provider began', () => {
    const loop = (signed: boolean): Partial<TurnRequest> => ({
      tools: [{ kind: 'function', name: 'look' }],
      messages: [
        { role: 'user', parts: [{ kind: 'text', text: 'Hi' }] },
        {
          role: 'assistant',
          parts: [
            ...(signed
              ? [
                  {
                    kind: 'reasoning' as const,
                    text: 'Hm',
                    signature: { family: 'messages' as const, kind: 'thinking', value: 'Eq' },
                  },
                ]
              : []),
            { kind: 'tool_call', id: 'a', name: 'look', argumentsJson: '{}' },
          ],
        },
        { role: 'user', parts: [{ kind: 'tool_result', callId: 'a', content: [], failed: false }] },
      ],
    });
    expect(thinkingOf(OLDER, { effort: 'low' }, loop(false)).thinking).toBeUndefined();
    expect(thinkingOf(OLDER, { effort: 'low' }, loop(true)).thinking).toEqual(budget(2_048));
  });

  it('fixes the sampling', () => {
    expect(thinkingOf(OLDER, { effort: 'low' }, { temperature: 0.3, topK: 3 }).dropped).toEqual([
      'temperature',
      'top_k',
    ]);
  });
});
