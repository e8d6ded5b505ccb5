import { chatClientCodec } from '#data-plane/dialects/chat/chat-codec.ts';
import { encodeChatRequest } from '#data-plane/dialects/chat/encode-request.ts';
import type { ProviderTarget } from '#data-plane/dialects/codec.ts';
import type { JsonObject, TurnRequest } from '#data-plane/dialects/turn.ts';
import { isFault } from '#shared/fault.ts';
import { unplaced } from '#test/dialects/unplaced-turn.ts';

export const target = (vendor: string): ProviderTarget => ({
  providerModel: 'm',
  vendor,
  maxOutputTokens: undefined,
  capabilities: { reasoningEfforts: undefined, thinkingBudget: false },
});

export function decoded(body: JsonObject): TurnRequest {
  const turn = chatClientCodec.decodeRequest(body);
  if (isFault(turn)) throw new Error(`${turn.kind}: ${turn.message}`);
  return unplaced(turn);
}

export function encoded(turn: TurnRequest, vendor: string): { body: JsonObject; dropped: readonly string[] } {
  const request = encodeChatRequest(turn, target(vendor));
  if (isFault(request)) throw new Error(`${request.kind}: ${request.message}`);
  return request;
}

export const user = (content: JsonObject['content']): JsonObject => ({
  role: 'user',
  content: content ?? '',
});
export const ask = (messages: JsonObject[], more: JsonObject = {}): JsonObject => ({
  model: 'm',
  messages,
  ...more,
});
