import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import { MEDIA_ORIGIN, PDF, PIXEL, SCHEMA } from './specimens.ts';

const HELLO: JsonObject = { type: 'message', role: 'user', content: 'hello-of-user' };
const ask = (fields: JsonObject): JsonObject => ({ input: 'hello-of-user', ...fields });
const say = (...items: JsonObject[]): JsonObject => ({ input: [HELLO, ...items] });
const show = (...content: JsonValue[]): JsonObject =>
  say({ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'look-at-this' }, ...content] });

const FUNCTION: JsonObject = {
  type: 'function',
  name: 'function_name',
  description: 'what-the-function-does',
  parameters: SCHEMA,
};
const OTHER: JsonObject = { type: 'function', name: 'other_name', parameters: SCHEMA };
const CUSTOM: JsonObject = {
  type: 'custom',
  name: 'custom_name',
  description: 'what-the-custom-tool-does',
  format: { type: 'grammar', syntax: 'lark', definition: 'start: grammar-of-custom' },
};
const namespace = (...tools: JsonObject[]): JsonObject => ({
  type: 'namespace',
  name: 'space_name',
  description: 'what-the-namespace-is',
  tools,
});
const CALLERS: JsonObject = { allowed_callers: ['programmatic'] };
const CALLER: JsonObject = { caller: { type: 'program', caller_id: 'id-of-caller' } };
const CALL: JsonObject = {
  type: 'function_call',
  call_id: 'call_0123456789abcdef',
  name: 'function_name',
  arguments: '{"city_of_schema":"argument-of-call"}',
};
const CUSTOM_CALL: JsonObject = {
  type: 'custom_tool_call',
  call_id: 'call_fedcba9876543210',
  name: 'custom_name',
  input: 'input-of-custom-call',
};
const output = (value: JsonValue = 'result-of-tool'): JsonObject => ({
  type: 'function_call_output',
  call_id: 'call_0123456789abcdef',
  output: value,
});
const CUSTOM_OUTPUT: JsonObject = {
  type: 'custom_tool_call_output',
  call_id: 'call_fedcba9876543210',
  output: 'result-of-custom',
};
const BREAKPOINT: JsonObject = { prompt_cache_breakpoint: { mode: 'explicit' } };
const answer = (fields: JsonObject, ...content: JsonObject[]): JsonObject => ({
  type: 'message',
  role: 'assistant',
  content:
    content.length === 0 ? [{ type: 'output_text', text: 'answer-of-model', annotations: [] }] : content,
  ...fields,
});
const CONTENT: readonly JsonObject[] = [
  { type: 'input_text', text: 'text-of-part' },
  { type: 'input_text', text: 'text-of-part', ...BREAKPOINT },
  { type: 'input_image', image_url: `data:image/png;base64,${PIXEL}`, detail: 'high' },
  { type: 'input_image', image_url: `${MEDIA_ORIGIN}/pixel.png`, detail: 'auto' },
  { type: 'input_image', file_id: 'image-of-openai', detail: 'auto' },
  { type: 'input_file', file_data: `data:application/pdf;base64,${PDF}`, filename: 'name-of-file.pdf' },
  { type: 'input_file', file_url: `${MEDIA_ORIGIN}/paper.pdf` },
  { type: 'input_file', file_id: 'file-of-openai' },
  { type: 'input_file', file_data: `data:application/pdf;base64,${PDF}`, filename: 'f.pdf', detail: 'high' },
];
const SERVER_TOOLS: readonly JsonObject[] = [
  { type: 'file_search', vector_store_ids: ['vs_1'] },
  { type: 'computer' },
  { type: 'computer_use_preview', environment: 'linux', display_width: 800, display_height: 600 },
  { type: 'mcp', server_label: 'label', server_url: 'https://mcp.example.com' },
  { type: 'code_interpreter', container: { type: 'auto' } },
  { type: 'programmatic_tool_calling' },
  { type: 'shell' },
  { type: 'apply_patch' },
  { type: 'image_generation', quality: 'high' },
  { type: 'local_shell' },
  { type: 'tool_search', execution: 'client' },
  { type: 'web_search', search_context_size: 'low' },
  { type: 'web_search_preview', search_context_size: 'low' },
];
const NATIVE_TYPES = [
  'file_search_call',
  'computer_call',
  'computer_call_output',
  'web_search_call',
  'tool_search_call',
  'tool_search_output',
  'additional_tools',
  'compaction',
  'compaction_trigger',
  'image_generation_call',
  'code_interpreter_call',
  'local_shell_call',
  'local_shell_call_output',
  'shell_call',
  'shell_call_output',
  'apply_patch_call',
  'apply_patch_call_output',
  'mcp_list_tools',
  'mcp_approval_request',
  'mcp_approval_response',
  'mcp_call',
  'program',
  'program_output',
];

/** Small Responses requests that between them hold every field of the dialect with a value that means something. */
export const RESPONSES_SPECIMENS: readonly JsonObject[] = [
  ask({}),
  ask({ stream: true, stream_options: { include_obfuscation: true } }),
  ask({ instructions: 'text-of-instructions' }),
  ask({ max_output_tokens: 3_121 }),
  ask({ temperature: 0.31 }),
  ask({ top_p: 0.87 }),
  ask({ presence_penalty: 0.41 }),
  ask({ frequency_penalty: 0.43 }),
  ask({ top_logprobs: 4 }),
  ask({ include: ['web_search_call.results'] }),
  ask({ max_tool_calls: 7 }),
  ask({ text: { format: { type: 'text' } } }),
  ask({ text: { format: { type: 'json_object' } } }),
  ask({
    text: {
      format: {
        type: 'json_schema',
        name: 'name-of-schema',
        description: 'what-the-schema-is',
        schema: SCHEMA,
        strict: true,
      },
    },
  }),
  ask({ text: { verbosity: 'low' } }),
  ask({ reasoning: { effort: 'low' } }),
  ask({ reasoning: { effort: 'none' } }),
  ask({ reasoning: { summary: 'detailed' } }),
  ask({ reasoning: { generate_summary: 'detailed' } }),
  ask({ reasoning: { mode: 'pro' } }),
  ask({ reasoning: { context: 'all_turns' } }),
  ask({ service_tier: 'default' }),
  ask({ safety_identifier: 'id-of-user' }),
  ask({ user: 'name-of-user' }),
  ask({ safety_identifier: 'id-of-user', user: 'name-of-user' }),
  ask({ metadata: { purpose: 'value-of-metadata' } }),
  ask({ store: true, metadata: { purpose: 'value-of-metadata' } }),
  ask({ prompt_cache_key: 'key-of-cache' }),
  ask({ prompt_cache_retention: '24h' }),
  ask({ prompt_cache_options: { ttl: '30m' } }),
  ask({ store: true }),
  ask({ truncation: 'auto' }),
  ask({ context_management: [{ type: 'compaction', compact_threshold: 1_000 }] }),
  ask({ moderation: { model: 'omni-moderation' } }),
  ask({ previous_response_id: 'resp_1' }),
  ask({ conversation: 'conv_1' }),
  ask({ prompt: { id: 'pmpt_1' } }),
  ask({ background: true }),
  ask({ field_of_tomorrow: 'x' }),
  ask({ tools: [FUNCTION], parallel_tool_calls: false }),
  ask({ tools: [{ ...FUNCTION, strict: true }] }),
  ask({ tools: [{ ...FUNCTION, output_schema: SCHEMA, defer_loading: true, ...CALLERS }] }),
  ask({ tools: [{ type: 'function', function: { name: 'nested_name', parameters: SCHEMA } }] }),
  ask({ tools: [CUSTOM] }),
  ask({ tools: [{ ...CUSTOM, defer_loading: true, ...CALLERS }] }),
  ask({ tools: [namespace(FUNCTION, CUSTOM)] }),
  ask({ tools: [namespace({ ...FUNCTION, strict: true })] }),
  ask({ tools: [namespace({ ...FUNCTION, output_schema: SCHEMA, defer_loading: true, ...CALLERS })] }),
  ask({ tools: [namespace({ type: 'function', function: { name: 'nested_name', parameters: SCHEMA } })] }),
  ...SERVER_TOOLS.map((tool) => ask({ tools: [tool] })),
  ask({ tools: [FUNCTION], tool_choice: 'auto' }),
  ask({ tools: [FUNCTION], tool_choice: 'none' }),
  ask({ tools: [FUNCTION], tool_choice: 'required' }),
  ask({ tools: [FUNCTION, OTHER], tool_choice: { type: 'function', name: 'other_name' } }),
  ask({ tools: [FUNCTION, CUSTOM], tool_choice: { type: 'custom', name: 'custom_name' } }),
  ask({
    tools: [FUNCTION, OTHER],
    tool_choice: {
      type: 'allowed_tools',
      mode: 'required',
      tools: [{ type: 'function', name: 'other_name' }],
    },
  }),
  ask({ tools: [FUNCTION, { type: 'image_generation' }], tool_choice: { type: 'image_generation' } }),
  say({ type: 'message', role: 'user', id: 'msg_1', status: 'completed', content: 'text-of-message' }),
  ...CONTENT.map((part) => show(part)),
  show({
    type: 'input_audio',
    input_audio: { data: Buffer.from('audio-data').toString('base64'), format: 'mp3' },
  }),
  show({
    type: 'input_video',
    video_url: `data:video/mp4;base64,${Buffer.from('video').toString('base64')}`,
  }),
  show({ type: 'text', text: 'text-of-other-kind' }),
  say(answer({ phase: 'commentary' }), HELLO),
  say(
    answer(
      {},
      {
        type: 'output_text',
        text: 'text-of-answer',
        annotations: [
          { type: 'url_citation', url: 'https://example.com', start_index: 0, end_index: 4, title: 't' },
        ],
        logprobs: [{ token: 'a', logprob: -1, bytes: [97], top_logprobs: [] }],
      },
    ),
    HELLO,
  ),
  say(answer({}, { type: 'refusal', refusal: 'words-of-refusal' }), HELLO),
  say(
    {
      type: 'reasoning',
      id: 'rs_of_item',
      status: 'completed',
      summary: [{ type: 'summary_text', text: 'summary-of-thought' }],
      encrypted_content: 'state-of-openai',
    },
    answer({}),
    HELLO,
  ),
  say(
    {
      type: 'reasoning',
      id: 'rs_of_item',
      summary: [],
      content: [{ type: 'reasoning_text', text: 'thought-of-item' }],
    },
    answer({}),
    HELLO,
  ),
  { ...say(CALL, output()), tools: [FUNCTION] },
  {
    ...say(
      { ...CALL, id: 'fc_1', status: 'completed', ...CALLER },
      { ...output(), id: 'fco_1', status: 'completed', ...CALLER },
    ),
    tools: [FUNCTION],
  },
  {
    ...say(
      { ...CALL, namespace: 'space_name' },
      { ...output(), name: 'function_name', namespace: 'space_name' },
    ),
    tools: [namespace(FUNCTION)],
  },
  { ...say(CUSTOM_CALL, CUSTOM_OUTPUT), tools: [CUSTOM] },
  {
    ...say({ ...CUSTOM_CALL, id: 'ctc_1', ...CALLER }, { ...CUSTOM_OUTPUT, id: 'cto_1', ...CALLER }),
    tools: [CUSTOM],
  },
  { ...say({ ...CUSTOM_CALL, namespace: 'space_name' }, CUSTOM_OUTPUT), tools: [namespace(CUSTOM)] },
  ...CONTENT.map((part) => ({ ...say(CALL, output([part])), tools: [FUNCTION] })),
  say({ type: 'item_reference', id: 'msg_1' }),
  ...NATIVE_TYPES.map((type) => say({ type, id: `id-of-${type}` }, HELLO)),
];
