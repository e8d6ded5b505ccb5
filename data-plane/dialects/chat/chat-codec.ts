import type { ClientCodec, ProviderCodec } from '#data-plane/dialects/codec.ts';
import { decodeChatRequest } from './decode-request.ts';
import { createChatStreamDecoder, decodeChatBody } from './decode-response.ts';
import { encodeChatRequest } from './encode-request.ts';
import { createChatStreamEncoder, encodeChatBody } from './encode-response.ts';
import { readProviderFault } from './provider-faults.ts';
import { readsUrl } from './provider-traits.ts';

/** OpenAI Chat Completions, as clients speak it. */
export const chatClientCodec: ClientCodec = {
  decodeRequest: decodeChatRequest,
  createStreamEncoder: createChatStreamEncoder,
  encodeBody: encodeChatBody,
};

/** OpenAI Chat Completions and the compatible family, as providers speak it. */
export const chatProviderCodec: ProviderCodec = {
  protocol: 'chat',
  encodeRequest: encodeChatRequest,
  readsUrl: (media, _, vendor) => readsUrl(media, vendor),
  createStreamDecoder: createChatStreamDecoder,
  decodeBody: decodeChatBody,
  readProviderFault,
};
