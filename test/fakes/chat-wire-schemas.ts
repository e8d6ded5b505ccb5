import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

/**
 * JSON schemas of what OpenAI documents as the bodies of chat completions, strict about what clients rely on: required
 * nullable fields, closed lists, no property that is not documented.
 */
const nullable = (schema: object): object => ({ anyOf: [schema, { type: 'null' }] });
const closed = (properties: Record<string, object>, required: readonly string[]): object => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});
const count = { type: 'integer', minimum: 0 };
const text = { type: 'string' };

const logprobEntry = {
  token: text,
  logprob: { type: 'number' },
  bytes: nullable({ type: 'array', items: count }),
};
const logprob = closed(
  {
    ...logprobEntry,
    top_logprobs: { type: 'array', items: closed(logprobEntry, Object.keys(logprobEntry)) },
  },
  [...Object.keys(logprobEntry), 'top_logprobs'],
);
const logprobs = nullable(
  closed(
    {
      content: nullable({ type: 'array', items: logprob }),
      refusal: nullable({ type: 'array', items: logprob }),
    },
    ['content', 'refusal'],
  ),
);
const finishReason = { enum: ['stop', 'length', 'tool_calls', 'content_filter', 'function_call'] };
const usage = closed(
  {
    prompt_tokens: count,
    completion_tokens: count,
    total_tokens: count,
    prompt_tokens_details: closed({ cached_tokens: count, audio_tokens: count }, ['cached_tokens']),
    completion_tokens_details: closed(
      {
        reasoning_tokens: count,
        audio_tokens: count,
        accepted_prediction_tokens: count,
        rejected_prediction_tokens: count,
      },
      ['reasoning_tokens'],
    ),
  },
  ['prompt_tokens', 'completion_tokens', 'total_tokens'],
);
const envelope = {
  id: text,
  created: count,
  model: text,
  service_tier: text,
  system_fingerprint: text,
};
const toolCall = closed(
  {
    id: text,
    type: { const: 'function' },
    function: closed({ name: text, arguments: text }, ['name', 'arguments']),
  },
  ['id', 'type', 'function'],
);
const toolCallChunk = closed(
  {
    index: count,
    id: text,
    type: { const: 'function' },
    function: closed({ name: text, arguments: text }, []),
  },
  ['index'],
);

const completion = closed(
  {
    ...envelope,
    object: { const: 'chat.completion' },
    choices: {
      type: 'array',
      items: closed(
        {
          index: count,
          message: closed(
            {
              role: { const: 'assistant' },
              content: nullable(text),
              refusal: nullable(text),
              annotations: { type: 'array' },
              tool_calls: { type: 'array', items: toolCall, minItems: 1 },
            },
            ['role', 'content', 'refusal'],
          ),
          logprobs,
          finish_reason: finishReason,
        },
        ['index', 'message', 'logprobs', 'finish_reason'],
      ),
    },
    usage,
  },
  ['id', 'object', 'created', 'model', 'choices'],
);
const chunk = closed(
  {
    ...envelope,
    object: { const: 'chat.completion.chunk' },
    choices: {
      type: 'array',
      items: closed(
        {
          index: count,
          delta: closed(
            {
              role: { const: 'assistant' },
              content: nullable(text),
              refusal: nullable(text),
              tool_calls: { type: 'array', items: toolCallChunk, minItems: 1 },
            },
            [],
          ),
          logprobs,
          finish_reason: nullable(finishReason),
        },
        ['index', 'delta', 'finish_reason'],
      ),
    },
    usage: nullable(usage),
  },
  ['id', 'object', 'created', 'model', 'choices'],
);
const errorBody = closed(
  {
    error: closed({ message: text, type: text, param: nullable(text), code: nullable(text) }, [
      'message',
      'type',
      'param',
      'code',
    ]),
  },
  ['error'],
);

const ajv = new Ajv2020({ strict: false, allErrors: true });
const validators = {
  completion: ajv.compile(completion),
  chunk: ajv.compile(chunk),
  error: ajv.compile(errorBody),
} satisfies Record<string, ValidateFunction>;

/** Where `value` departs from the documented shape; empty when it does not. */
export function departuresFrom(shape: keyof typeof validators, value: unknown): string[] {
  const validate = validators[shape];
  if (validate(value)) return [];
  return (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message ?? ''}`);
}
