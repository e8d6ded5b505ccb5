import type { TokenCountCodec } from '#data-plane/dialects/codec.ts';
import { countOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';

const COUNTED_FIELDS = ['model', 'messages', 'system', 'tools', 'tool_choice', 'thinking'] as const;

/** Path below the upstream's base path. */
export const COUNT_TOKENS_PATH = '/v1/messages/count_tokens';

export const messagesTokenCount: TokenCountCodec = {
  encode: ({ body }) => {
    const counted: JsonObject = {};
    for (const field of COUNTED_FIELDS) {
      const value = body[field];
      if (value !== undefined) counted[field] = value;
    }
    return { path: COUNT_TOKENS_PATH, body: counted };
  },
  read: (answer) => countOf(answer.input_tokens),
};
