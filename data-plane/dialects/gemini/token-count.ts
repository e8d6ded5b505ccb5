import type { TokenCountCodec } from '#data-plane/dialects/codec.ts';
import { countOf } from '#data-plane/dialects/json-access.ts';

/** `countTokens` takes the whole request that would be sent, and counts its system prompt and tools as well. */
export const geminiTokenCount: TokenCountCodec = {
  encode: ({ body, path }) => {
    const end = path.lastIndexOf(':');
    const model = decodeURIComponent(path.slice(1, end));
    return {
      path: `${path.slice(0, end)}:countTokens`,
      body: { generateContentRequest: { model, ...body } },
    };
  },
  read: (answer) => countOf(answer.totalTokens),
};
