import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import { MEDIA_ORIGIN, PDF, PIXEL, SCHEMA, user } from './specimens.ts';

const HELLO: JsonObject = { role: 'user', content: 'hello-of-user' };
const ask = (fields: JsonObject, ...messages: JsonObject[]): JsonObject => ({
  messages: messages.length === 0 ? [HELLO] : messages,
  ...fields,
});
const show = (...content: JsonValue[]): JsonObject =>
  ask({}, user({ type: 'text', text: 'look-at-this' }, ...content));

const FUNCTION: JsonObject = {
  type: 'function',
  function: {
    name: 'function_name',
    description: 'what-the-function-does',
    parameters: SCHEMA,
  },
};
const OTHER: JsonObject = { type: 'function', function: { name: 'other_name', parameters: SCHEMA } };
const CUSTOM: JsonObject = {
  type: 'custom',
  custom: {
    name: 'custom_name',
    description: 'what-the-custom-tool-does',
    format: { type: 'grammar', grammar: { syntax: 'lark', definition: 'start: grammar-of-custom' } },
  },
};
const called = (...calls: JsonObject[]): JsonObject => ({
  role: 'assistant',
  content: null,
  tool_calls: calls,
});
const result = (id: string, content: JsonValue = 'result-of-tool'): JsonObject => ({
  role: 'tool',
  tool_call_id: id,
  content,
});
const CALL: JsonObject = {
  id: 'call_0123456789abcdef',
  type: 'function',
  function: { name: 'function_name', arguments: '{"city_of_schema":"argument-of-call"}' },
};
const CUSTOM_CALL: JsonObject = {
  id: 'call_fedcba9876543210',
  type: 'custom',
  custom: { name: 'custom_name', input: 'input-of-custom-call' },
};
const assistant = (fields: JsonObject): JsonObject => ({
  role: 'assistant',
  content: 'answer-of-model',
  ...fields,
});

/** Small Chat Completions requests that between them hold every field of the dialect with a value that means something. */
export const CHAT_SPECIMENS: readonly JsonObject[] = [
  ask({}),
  ask({ max_completion_tokens: 3_121 }),
  ask({ max_tokens: 3_122 }),
  ask({ max_completion_tokens: 3_123, max_tokens: 3_100 }),
  ask({ temperature: 0.31 }),
  ask({ top_p: 0.87 }),
  ask({ top_k: 37 }),
  ask({ presence_penalty: 0.41 }),
  ask({ frequency_penalty: 0.43 }),
  ask({ seed: 4_711 }),
  ask({ n: 3 }),
  ask({ logprobs: true, top_logprobs: 4 }),
  ask({ stop: ['stop-here', 'or-here'] }),
  ask({ stream: true, stream_options: { include_usage: true, include_obfuscation: true } }),
  ask({ tools: [FUNCTION], parallel_tool_calls: false }),
  ask({ tools: [{ ...FUNCTION, function: { ...(FUNCTION.function as JsonObject), strict: true } }] }),
  ask({ tools: [{ ...FUNCTION, cache_control: { type: 'ephemeral' } }] }),
  ask({ tools: [CUSTOM] }),
  ask({ tools: [FUNCTION], tool_choice: 'auto' }),
  ask({ tools: [FUNCTION], tool_choice: 'none' }),
  ask({ tools: [FUNCTION], tool_choice: 'required' }),
  ask({ tools: [FUNCTION, OTHER], tool_choice: { type: 'function', function: { name: 'other_name' } } }),
  ask({ tools: [FUNCTION, CUSTOM], tool_choice: { type: 'custom', custom: { name: 'custom_name' } } }),
  ask({
    tools: [FUNCTION, OTHER],
    tool_choice: {
      type: 'allowed_tools',
      allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'other_name' } }] },
    },
  }),
  ask({
    functions: [FUNCTION.function ?? null, OTHER.function ?? null],
    function_call: { name: 'other_name' },
  }),
  ask({ response_format: { type: 'text' } }),
  ask({ response_format: { type: 'json_object' } }),
  ask({
    response_format: {
      type: 'json_schema',
      json_schema: {
        name: 'name-of-schema',
        description: 'what-the-schema-is',
        schema: SCHEMA,
        strict: true,
      },
    },
  }),
  ask({ verbosity: 'low' }),
  ask({ reasoning_effort: 'low' }),
  ask({ reasoning_effort: 'none' }),
  ask({ reasoning: { effort: 'low' } }),
  ask({ reasoning: { summary: 'detailed' } }),
  ask({ reasoning: { max_tokens: 2_222 } }),
  ask({ reasoning: { enabled: true } }),
  ask({ thinking: { type: 'enabled' } }),
  ask({ thinking: { budget_tokens: 2_223 } }),
  ask({ enable_thinking: true }),
  ask({ thinking_budget: 2_224 }),
  ask({ service_tier: 'default' }),
  ask({ safety_identifier: 'id-of-user' }),
  ask({ user: 'name-of-user' }),
  ask({ safety_identifier: 'id-of-user', user: 'name-of-user' }),
  ask({ store: true, metadata: { purpose: 'value-of-metadata' } }),
  ask({ metadata: { purpose: 'value-of-metadata' } }),
  ask({ prompt_cache_key: 'key-of-cache' }),
  ask({ prompt_cache_retention: '24h' }),
  ask({ prompt_cache_options: { ttl: '30m', mode: 'explicit' } }),
  ask({ logit_bias: { '1717': 17 } }),
  ask({ modalities: ['text', 'audio'] }),
  ask({ audio: { voice: 'alloy', format: 'mp3' } }),
  ask({ prediction: { type: 'content', content: 'text-of-prediction' } }),
  ask({ web_search_options: { search_context_size: 'low' } }),
  ask({ moderation: { model: 'omni-moderation' } }),
  ask({ field_of_tomorrow: 'x' }),
  ask({}, { role: 'system', content: 'text-of-system' }, HELLO),
  ask({}, { role: 'developer', content: 'text-of-developer' }, HELLO),
  ask({}, HELLO, { role: 'function', name: 'function_name', content: 'x' }),
  ask({}, { role: 'user', name: 'author-of-message', content: 'hello-of-user' }),
  ask({}, user({ type: 'text', text: 'text-of-block', prompt_cache_breakpoint: { mode: 'explicit' } })),
  ask({}, user({ type: 'text', text: 'text-of-block', cache_control: { type: 'ephemeral', ttl: '1h' } })),
  show({ type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}`, detail: 'high' } }),
  show({ type: 'image_url', image_url: { url: `${MEDIA_ORIGIN}/pixel.png` } }),
  show({
    type: 'input_audio',
    input_audio: { data: Buffer.from('audio-data').toString('base64'), format: 'mp3' },
  }),
  show({
    type: 'file',
    file: { file_data: `data:application/pdf;base64,${PDF}`, filename: 'name-of-file.pdf' },
  }),
  show({ type: 'file', file: { file_id: 'file-of-openai' } }),
  show({
    type: 'video_url',
    video_url: { url: `data:video/mp4;base64,${Buffer.from('video').toString('base64')}` },
  }),
  show({ type: 'video', video: [`data:image/png;base64,${PIXEL}`] }),
  ask({}, HELLO, { role: 'assistant', content: [{ type: 'refusal', refusal: 'words-of-refusal' }] }, HELLO),
  ask(
    {},
    HELLO,
    {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: [{ type: 'text', text: 'thought-of-block' }] },
        { type: 'text', text: 'text-beside-it' },
      ],
    },
    HELLO,
  ),
  ask({}, HELLO, { role: 'assistant', refusal: 'words-of-refusal' }, HELLO),
  ask({}, HELLO, assistant({ audio: { id: 'audio-of-answer' } }), HELLO),
  ask({}, HELLO, assistant({ cache_control: { type: 'ephemeral' } }), HELLO),
  ask({}, HELLO, assistant({ reasoning_content: 'thought-of-model' }), HELLO),
  ask({}, HELLO, assistant({ reasoning: 'thought-of-model' }), HELLO),
  ask(
    {},
    HELLO,
    assistant({
      reasoning_details: [
        { type: 'reasoning.text', text: 'thought-of-detail', signature: 'signature-of-detail' },
      ],
    }),
    HELLO,
  ),
  ask({ tools: [FUNCTION] }, HELLO, called(CALL), result('call_0123456789abcdef')),
  ask({ tools: [CUSTOM] }, HELLO, called(CUSTOM_CALL), result('call_fedcba9876543210')),
  ask({ tools: [FUNCTION] }, HELLO, called(CALL), {
    ...result('call_0123456789abcdef'),
    cache_control: { type: 'ephemeral' },
  }),
  ask({ functions: [FUNCTION.function ?? null] }, HELLO, {
    role: 'assistant',
    content: 'before-the-call',
    function_call: { name: 'function_name', arguments: '{"city_of_schema":"legacy-argument"}' },
  }),
];
