import type { ProviderProtocol } from '#shared/usage-record.ts';
import { chatProviderCodec } from './chat/chat-codec.ts';
import type { ProviderCodec } from './codec.ts';
import { geminiProviderCodec } from './gemini/gemini-codec.ts';
import { MESSAGES_PROVIDER } from './messages/messages-codec.ts';
import { responsesProvider } from './responses/responses-codec.ts';
import { addressedTo } from './signature-envelope.ts';

/** The provider protocols that requests can be translated to. */
export const providerCodecs: Readonly<Record<ProviderProtocol, ProviderCodec>> = {
  chat: keepingSecrets(chatProviderCodec),
  responses: keepingSecrets(responsesProvider),
  messages: keepingSecrets(MESSAGES_PROVIDER),
  gemini: keepingSecrets(geminiProviderCodec),
};

/** No vendor is sent the opaque state of another, which it would refuse. */
function keepingSecrets(codec: ProviderCodec): ProviderCodec {
  return {
    ...codec,
    encodeRequest: (turn, target) => codec.encodeRequest(addressedTo(target.vendor, turn), target),
  };
}
