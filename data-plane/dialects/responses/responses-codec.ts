import type { ClientCodec, ProviderCodec } from '#data-plane/dialects/codec.ts';
import { decodeRequest } from './decode-request.ts';
import { createStreamDecoder, decodeBody } from './decode-response.ts';
import { encodeRequest } from './encode-request.ts';
import { createStreamEncoder, encodeBody } from './encode-response.ts';
import { readProviderFault } from './faults.ts';
import { responsesTokenCount } from './token-count.ts';

/** OpenAI Responses as clients speak it. */
export const responsesClient: ClientCodec = { decodeRequest, createStreamEncoder, encodeBody };

/** OpenAI Responses as providers speak it. */
export const responsesProvider: ProviderCodec = {
  protocol: 'responses',
  heartbeatEvent: 'keepalive',
  encodeRequest,
  readsUrl: () => true,
  tokenCount: responsesTokenCount,
  createStreamDecoder,
  decodeBody,
  readProviderFault,
};
