import {
  chatClientDialect,
  messagesClientDialect,
  responsesClientDialect,
} from '#data-plane/dialects/client-dialects.ts';
import type { EncodedRequest, ProviderTarget } from '#data-plane/dialects/codec.ts';
import { providerCodecs } from '#data-plane/dialects/provider-codecs.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import { type Fault, isFault } from '#shared/fault.ts';
import type { Dialect, ProviderProtocol } from '#shared/usage-record.ts';

const CLIENTS = {
  chat: chatClientDialect.codec,
  responses: responsesClientDialect.codec,
  messages: messagesClientDialect.codec,
} as const;

/** A reasoning model with every ability, at a provider of this name. */
export function capableTarget(vendor = 'openai'): ProviderTarget {
  return {
    providerModel: 'm',
    vendor,
    maxOutputTokens: 8_192,
    capabilities: {
      reasoningEfforts: ['none', 'low', 'medium', 'high', 'max'],
      thinkingBudget: false,
      reasoning: true,
      temperature: true,
      structuredOutput: true,
    },
  };
}

/** A client's body as a provider would get it on the translate lane. */
export function translated(
  client: Dialect,
  protocol: ProviderProtocol,
  body: JsonObject,
  target: ProviderTarget = capableTarget(),
): EncodedRequest | Fault {
  const turn = CLIENTS[client].decodeRequest(body);
  return isFault(turn) ? turn : providerCodecs[protocol].encodeRequest(turn, target);
}
