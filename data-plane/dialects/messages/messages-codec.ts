import type { ClientCodec, ProviderCodec } from '#data-plane/dialects/codec.ts';
import { decodeRequest } from '#data-plane/dialects/messages/decode-request.ts';
import { createStreamDecoder, decodeBody } from '#data-plane/dialects/messages/decode-response.ts';
import { encodeRequest } from '#data-plane/dialects/messages/encode-request.ts';
import { createStreamEncoder, encodeBody } from '#data-plane/dialects/messages/encode-response.ts';
import { readProviderFault } from '#data-plane/dialects/messages/provider-faults.ts';
import { messagesTokenCount } from '#data-plane/dialects/messages/token-count.ts';

/** Clients of `POST /v1/messages`. */
export const MESSAGES_CLIENT: ClientCodec = { decodeRequest, createStreamEncoder, encodeBody };

/** Providers that speak Anthropic Messages. */
export const MESSAGES_PROVIDER: ProviderCodec = {
  protocol: 'messages',
  heartbeatEvent: 'ping',
  encodeRequest,
  readsUrl: () => true,
  tokenCount: messagesTokenCount,
  createStreamDecoder,
  decodeBody,
  readProviderFault,
};
