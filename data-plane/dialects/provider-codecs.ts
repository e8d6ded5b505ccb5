import type { ProviderProtocol } from '#shared/usage-record.ts';
import { chatProviderCodec } from './chat/chat-codec.ts';
import type { ProviderCodec } from './codec.ts';
import { geminiProviderCodec } from './gemini/gemini-codec.ts';
import { MESSAGES_PROVIDER } from './messages/messages-codec.ts';
import { responsesProvider } from './responses/responses-codec.ts';

/** The provider protocols that requests can be translated to. */
export const providerCodecs: Readonly<Record<ProviderProtocol, ProviderCodec>> = {
  chat: chatProviderCodec,
  responses: responsesProvider,
  messages: MESSAGES_PROVIDER,
  gemini: geminiProviderCodec,
};
