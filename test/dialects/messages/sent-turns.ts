import type { EncodedRequest, ProviderTarget } from '#data-plane/dialects/codec.ts';
import { MESSAGES_PROVIDER } from '#data-plane/dialects/messages/messages-codec.ts';
import type { Part, TurnMessage, TurnRequest } from '#data-plane/dialects/turn.ts';
import { type Fault, isFault } from '#shared/fault.ts';

export const TARGET: ProviderTarget = {
  providerModel: 'claude-haiku-4-5',
  vendor: 'anthropic',
  maxOutputTokens: 64_000,
  capabilities: { reasoningEfforts: ['low', 'medium', 'high'], thinkingBudget: true, temperature: true },
};
export const NEWER: ProviderTarget = {
  ...TARGET,
  providerModel: 'claude-opus-4-8',
  capabilities: { ...TARGET.capabilities, temperature: false },
};
export const HI: TurnMessage = { role: 'user', parts: [{ kind: 'text', text: 'Hi' }] };

export function encode(fields: Partial<TurnRequest>, target = TARGET): EncodedRequest {
  const encoded = tryEncode(fields, target);
  if (isFault(encoded)) throw new Error(JSON.stringify(encoded));
  return encoded;
}

export function tryEncode(fields: Partial<TurnRequest>, target = TARGET): EncodedRequest | Fault {
  const turn = { stream: false, messages: [HI], tools: [], extras: {}, ...fields };
  return MESSAGES_PROVIDER.encodeRequest(turn, target);
}

export const user = (...parts: Part[]): TurnMessage => ({ role: 'user', parts });
export const assistant = (...parts: Part[]): TurnMessage => ({ role: 'assistant', parts });
export const text = (words: string): Part => ({ kind: 'text', text: words });
export const call = (id: string, argumentsJson = '{}'): Part => ({
  kind: 'tool_call',
  id,
  name: 'look',
  argumentsJson,
});
export const result = (callId: string, ...content: Part[]): Part => ({
  kind: 'tool_result',
  callId,
  content,
  failed: false,
});
export const block = (words: string) => ({ type: 'text', text: words });
export const LOOK = {
  kind: 'function',
  name: 'look',
  parameters: { type: 'object', properties: {} },
} as const;
