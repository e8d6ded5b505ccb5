import type { TokenCountCodec } from '#data-plane/dialects/codec.ts';
import { countOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';

/** What `POST /responses/input_tokens` takes of a request; it refuses the rest. */
const COUNTED_FIELDS = [
  'model',
  'input',
  'instructions',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'text',
  'reasoning',
  'truncation',
] as const;

export const responsesTokenCount: TokenCountCodec = {
  encode: ({ body, path }) => {
    const counted: JsonObject = {};
    for (const field of COUNTED_FIELDS) {
      const value = body[field];
      if (value !== undefined) counted[field] = value;
    }
    return { path: `${path}/input_tokens`, body: counted };
  },
  read: (answer) => countOf(answer.input_tokens),
};
