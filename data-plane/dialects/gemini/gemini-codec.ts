import type { ProviderCodec } from '#data-plane/dialects/codec.ts';
import { createGeminiStreamDecoder, decodeGeminiBody } from './decode-response.ts';
import { isVideoPage } from './encode-media.ts';
import { encodeGeminiRequest } from './encode-request.ts';
import { readGeminiFault } from './faults.ts';
import { geminiTokenCount } from './token-count.ts';

/** Gemini's `generateContent` and `streamGenerateContent`, as Google speaks it. */
export const geminiProviderCodec: ProviderCodec = {
  protocol: 'gemini',
  encodeRequest: encodeGeminiRequest,
  readsUrl: (_, url) => isVideoPage(url),
  tokenCount: geminiTokenCount,
  createStreamDecoder: createGeminiStreamDecoder,
  decodeBody: decodeGeminiBody,
  readProviderFault: readGeminiFault,
};
