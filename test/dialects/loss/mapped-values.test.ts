import { describe, expect, it } from 'vitest';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import { isFault } from '#shared/fault.ts';
import type { Dialect, ProviderProtocol } from '#shared/usage-record.ts';
import { SCHEMA } from './specimens.ts';
import { translated } from './translated.ts';

const HELLO = { chat: 'messages', messages: 'messages', responses: 'input' } as const;
const CHAT_TOOLS: JsonValue = ['one', 'two'].map((name) => ({
  type: 'function',
  function: { name, parameters: SCHEMA },
}));
const RESPONSES_TOOLS: JsonValue = ['one', 'two'].map((name) => ({
  type: 'function',
  name,
  parameters: SCHEMA,
}));
const MESSAGES_TOOLS: JsonValue = ['one', 'two'].map((name) => ({ name, input_schema: SCHEMA }));

/** Where a value stands in the provider's body, and which; a list of alternatives is none. */
type Arrival = readonly [path: string, value: JsonValue | undefined];
type Row = readonly [
  client: Dialect,
  fields: JsonObject,
  arrivals: Partial<Record<ProviderProtocol, Arrival>>,
];

const FORMAT: JsonObject = { type: 'json_schema', name: 'n', schema: SCHEMA, strict: true };
const GEMINI_CALLING = 'toolConfig.functionCallingConfig';

const ROWS: readonly Row[] = [
  [
    'chat',
    { max_completion_tokens: 77 },
    {
      responses: ['max_output_tokens', 77],
      messages: ['max_tokens', 77],
      gemini: ['generationConfig.maxOutputTokens', 77],
    },
  ],
  [
    'chat',
    { max_tokens: 78 },
    {
      responses: ['max_output_tokens', 78],
      messages: ['max_tokens', 78],
      gemini: ['generationConfig.maxOutputTokens', 78],
    },
  ],
  [
    'responses',
    { max_output_tokens: 79 },
    {
      chat: ['max_completion_tokens', 79],
      messages: ['max_tokens', 79],
      gemini: ['generationConfig.maxOutputTokens', 79],
    },
  ],
  [
    'messages',
    { max_tokens: 80 },
    {
      chat: ['max_completion_tokens', 80],
      responses: ['max_output_tokens', 80],
      gemini: ['generationConfig.maxOutputTokens', 80],
    },
  ],
  [
    'chat',
    { temperature: 0.3 },
    {
      responses: ['temperature', 0.3],
      messages: ['temperature', 0.3],
      gemini: ['generationConfig.temperature', 0.3],
    },
  ],
  [
    'chat',
    { temperature: 1.7 },
    { messages: ['temperature', 1], gemini: ['generationConfig.temperature', 1.7] },
  ],
  [
    'messages',
    { top_p: 0.8 },
    { chat: ['top_p', 0.8], responses: ['top_p', 0.8], gemini: ['generationConfig.topP', 0.8] },
  ],
  [
    'messages',
    { top_k: 9 },
    { chat: ['top_k', undefined], responses: ['top_k', undefined], gemini: ['generationConfig.topK', 9] },
  ],
  [
    'chat',
    { stop: 'a' },
    { messages: ['stop_sequences', ['a']], gemini: ['generationConfig.stopSequences', ['a']] },
  ],
  [
    'chat',
    { stop: ['a', 'b'] },
    { messages: ['stop_sequences', ['a', 'b']], gemini: ['generationConfig.stopSequences', ['a', 'b']] },
  ],
  [
    'messages',
    { stop_sequences: ['a'] },
    { chat: ['stop', ['a']], gemini: ['generationConfig.stopSequences', ['a']] },
  ],
  ['chat', { n: 2 }, { gemini: ['generationConfig.candidateCount', 2] }],
  ['chat', { seed: 5 }, { messages: ['seed', undefined], gemini: ['generationConfig.seed', 5] }],
  [
    'chat',
    { logprobs: true, top_logprobs: 3 },
    { responses: ['top_logprobs', 3], gemini: ['generationConfig.logprobs', 3] },
  ],
  ['chat', { presence_penalty: 0.5 }, { gemini: ['generationConfig.presencePenalty', 0.5] }],
  [
    'chat',
    { reasoning_effort: 'low' },
    {
      responses: ['reasoning.effort', 'low'],
      messages: ['output_config.effort', 'low'],
      gemini: ['generationConfig.thinkingConfig.thinkingBudget', 1_024],
    },
  ],
  [
    'responses',
    { reasoning: { effort: 'high' } },
    { chat: ['reasoning_effort', 'high'], messages: ['output_config.effort', 'high'] },
  ],
  [
    'responses',
    { reasoning: { effort: 'none' } },
    { chat: ['reasoning_effort', 'none'], messages: ['thinking.type', 'disabled'] },
  ],
  [
    'messages',
    { thinking: { type: 'enabled', budget_tokens: 2_000 } },
    { chat: ['reasoning_effort', 'low'], responses: ['reasoning.effort', 'low'] },
  ],
  [
    'messages',
    { thinking: { type: 'enabled', budget_tokens: 30_000 } },
    { chat: ['reasoning_effort', 'high'], responses: ['reasoning.effort', 'high'] },
  ],
  ['messages', { thinking: { type: 'adaptive' } }, { responses: ['reasoning.summary', 'auto'] }],
  [
    'messages',
    { thinking: { type: 'disabled' } },
    {
      chat: ['reasoning_effort', 'none'],
      responses: ['reasoning.effort', 'none'],
      gemini: ['generationConfig.thinkingConfig.thinkingBudget', 0],
    },
  ],
  [
    'messages',
    { output_config: { effort: 'max' } },
    { chat: ['reasoning_effort', 'max'], responses: ['reasoning.effort', 'max'] },
  ],
  ['chat', { verbosity: 'low' }, { responses: ['text.verbosity', 'low'] }],
  [
    'chat',
    { response_format: { type: 'json_object' } },
    {
      responses: ['text.format.type', 'json_object'],
      gemini: ['generationConfig.responseMimeType', 'application/json'],
    },
  ],
  [
    'chat',
    { response_format: { type: 'json_schema', json_schema: FORMAT } },
    {
      responses: ['text.format', FORMAT],
      messages: ['output_config.format.type', 'json_schema'],
      gemini: ['generationConfig.responseJsonSchema', SCHEMA],
    },
  ],
  [
    'responses',
    { text: { format: FORMAT } },
    {
      chat: ['response_format.json_schema', { name: 'n', schema: SCHEMA, strict: true }],
      messages: ['output_config.format.schema.required', ['city_of_schema']],
    },
  ],
  [
    'messages',
    { output_config: { format: { type: 'json_schema', schema: SCHEMA } } },
    { chat: ['response_format.json_schema.schema', SCHEMA], responses: ['text.format.schema', SCHEMA] },
  ],
  [
    'chat',
    { safety_identifier: 'u' },
    { responses: ['safety_identifier', 'u'], messages: ['metadata.user_id', 'u'] },
  ],
  [
    'messages',
    { metadata: { user_id: 'u' } },
    { chat: ['safety_identifier', 'u'], responses: ['safety_identifier', 'u'] },
  ],
  ['chat', { prompt_cache_key: 'k' }, { responses: ['prompt_cache_key', 'k'] }],
  [
    'chat',
    { service_tier: 'default' },
    { responses: ['service_tier', 'default'], messages: ['service_tier', 'standard_only'] },
  ],
  [
    'messages',
    { service_tier: 'standard_only' },
    { chat: ['service_tier', 'default'], responses: ['service_tier', 'default'] },
  ],
  [
    'chat',
    { tools: CHAT_TOOLS, tool_choice: 'required' },
    {
      responses: ['tool_choice', 'required'],
      messages: ['tool_choice.type', 'any'],
      gemini: [`${GEMINI_CALLING}.mode`, 'ANY'],
    },
  ],
  [
    'chat',
    { tools: CHAT_TOOLS, tool_choice: 'none' },
    {
      responses: ['tool_choice', 'none'],
      messages: ['tool_choice.type', 'none'],
      gemini: [`${GEMINI_CALLING}.mode`, 'NONE'],
    },
  ],
  [
    'chat',
    { tools: CHAT_TOOLS, tool_choice: { type: 'function', function: { name: 'two' } } },
    {
      responses: ['tool_choice', { type: 'function', name: 'two' }],
      messages: ['tool_choice', { type: 'tool', name: 'two' }],
      gemini: [`${GEMINI_CALLING}.allowedFunctionNames`, ['two']],
    },
  ],
  [
    'responses',
    { tools: RESPONSES_TOOLS, tool_choice: { type: 'function', name: 'two' } },
    {
      chat: ['tool_choice', { type: 'function', function: { name: 'two' } }],
      messages: ['tool_choice.name', 'two'],
    },
  ],
  [
    'messages',
    { tools: MESSAGES_TOOLS, tool_choice: { type: 'any' } },
    {
      chat: ['tool_choice', 'required'],
      responses: ['tool_choice', 'required'],
      gemini: [`${GEMINI_CALLING}.mode`, 'ANY'],
    },
  ],
  [
    'messages',
    { tools: MESSAGES_TOOLS, tool_choice: { type: 'tool', name: 'two' } },
    { chat: ['tool_choice.function.name', 'two'], responses: ['tool_choice.name', 'two'] },
  ],
  [
    'chat',
    { tools: CHAT_TOOLS, parallel_tool_calls: false },
    { responses: ['parallel_tool_calls', false], messages: ['tool_choice.disable_parallel_tool_use', true] },
  ],
  [
    'messages',
    { tools: MESSAGES_TOOLS, tool_choice: { type: 'auto', disable_parallel_tool_use: true } },
    { chat: ['parallel_tool_calls', false], responses: ['parallel_tool_calls', false] },
  ],
  [
    'chat',
    {
      tools: CHAT_TOOLS,
      tool_choice: {
        type: 'allowed_tools',
        allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'two' } }] },
      },
    },
    {
      responses: ['tools.0.name', 'two'],
      messages: ['tools.0.name', 'two'],
      gemini: ['tools.0.functionDeclarations.0.name', 'two'],
    },
  ],
  [
    'responses',
    { instructions: 's' },
    {
      chat: ['messages.0', { role: 'system', content: 's' }],
      messages: ['system.0.text', 's'],
      gemini: ['systemInstruction.parts.0.text', 's'],
    },
  ],
  [
    'messages',
    { system: 's' },
    {
      chat: ['messages.0', { role: 'system', content: 's' }],
      responses: ['instructions', 's'],
      gemini: ['systemInstruction.parts.0.text', 's'],
    },
  ],
  [
    'chat',
    { web_search_options: { search_context_size: 'low' } },
    { responses: ['tools.0', { type: 'web_search', search_context_size: 'low' }] },
  ],
];

function at(body: JsonValue, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], body);
}

describe('a field in the words of a provider', () => {
  const cases = ROWS.flatMap(([client, fields, arrivals]) =>
    Object.entries(arrivals).map(([protocol, [path, value]]) => ({ client, fields, protocol, path, value })),
  );

  it.each(cases)(
    '$client $fields stands at $path for $protocol',
    ({ client, fields, protocol, path, value }) => {
      const limit = client === 'messages' ? { max_tokens: 8_192 } : {};
      const hello = client === 'responses' ? 'hello' : [{ role: 'user', content: 'hello' }];
      const body = { [HELLO[client]]: hello, ...limit, ...fields };
      const request = translated(client, protocol as ProviderProtocol, body);
      if (isFault(request)) throw new Error(request.message);
      expect(at(request.body, path)).toEqual(value);
    },
  );
});
