import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import { MEDIA_ORIGIN, PDF, PIXEL, SCHEMA, user } from './specimens.ts';

const HELLO: JsonObject = { role: 'user', content: 'hello-of-user' };
const ask = (fields: JsonObject, ...messages: JsonObject[]): JsonObject => ({
  max_tokens: 4_096,
  messages: messages.length === 0 ? [HELLO] : messages,
  ...fields,
});
const show = (...content: JsonValue[]): JsonObject =>
  ask({}, user({ type: 'text', text: 'look-at-this' }, ...content));

const MARK: JsonObject = { cache_control: { type: 'ephemeral', ttl: '1h' } };
const TOOL: JsonObject = {
  name: 'function_name',
  description: 'what-the-function-does',
  input_schema: SCHEMA,
};
const OTHER: JsonObject = { name: 'other_name', input_schema: SCHEMA };
const CALL: JsonObject = {
  type: 'tool_use',
  id: 'toolu_0123456789',
  name: 'function_name',
  input: { city_of_schema: 'argument-of-call' },
};
const result = (fields: JsonObject): JsonObject => ({
  type: 'tool_result',
  tool_use_id: 'toolu_0123456789',
  content: 'result-of-tool',
  ...fields,
});
const loop = (call: JsonObject, answer: JsonObject): JsonObject =>
  ask({ tools: [TOOL] }, HELLO, { role: 'assistant', content: [call] }, user(answer));
const answered = (...content: JsonValue[]): JsonObject =>
  ask({}, HELLO, { role: 'assistant', content }, HELLO);
const CITATION: JsonObject = {
  type: 'char_location',
  cited_text: 'cited',
  document_index: 0,
  document_title: 't',
  start_char_index: 0,
  end_char_index: 5,
};
const TEXT: JsonObject = { type: 'text', text: 'text-of-inner-block' };
const CITED: JsonObject = { ...TEXT, citations: [CITATION] };
const IMAGE: JsonObject = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL } };
const URL_IMAGE: JsonObject = { type: 'image', source: { type: 'url', url: `${MEDIA_ORIGIN}/pixel.png` } };
const FILE_IMAGE: JsonObject = { type: 'image', source: { type: 'file', file_id: 'file-of-anthropic' } };
const document = (source: JsonObject, fields: JsonObject = {}): JsonObject => ({
  type: 'document',
  source,
  ...fields,
});
const PLAIN: JsonObject = { type: 'text', media_type: 'text/plain', data: 'text-of-document' };
const contentOf = (...content: JsonObject[]): JsonObject => document({ type: 'content', content });
const search = (content: JsonObject, fields: JsonObject = {}): JsonObject => ({
  type: 'search_result',
  source: 'source-of-result',
  title: 'title-of-result',
  content: [content],
  ...fields,
});

/** Blocks that a message and a result of a tool may hold alike. */
const BLOCKS: readonly JsonObject[] = [
  TEXT,
  CITED,
  { ...TEXT, ...MARK },
  IMAGE,
  URL_IMAGE,
  FILE_IMAGE,
  { ...IMAGE, transformations: { oversized_image: 'reject' } },
  document({ type: 'base64', media_type: 'application/pdf', data: PDF }),
  document({ type: 'url', url: `${MEDIA_ORIGIN}/paper.pdf` }),
  document(PLAIN),
  document(PLAIN, { title: 'title-of-document' }),
  document(PLAIN, { context: 'context-of-document' }),
  document(PLAIN, { citations: { enabled: true } }),
  document({ type: 'file', file_id: 'file-of-anthropic' }),
  contentOf(TEXT),
  contentOf(CITED),
  contentOf({ ...TEXT, ...MARK }),
  contentOf(IMAGE),
  contentOf(URL_IMAGE),
  contentOf(FILE_IMAGE),
  contentOf({ ...IMAGE, transformations: { oversized_image: 'reject' } }),
  search(TEXT),
  search(CITED),
  search({ ...TEXT, ...MARK }),
  search(TEXT, { citations: { enabled: true } }),
];
const SERVER_TOOLS = [
  'bash_20241022',
  'bash_20250124',
  'browser_toolset_20260801',
  'code_execution_20250522',
  'computer_20250124',
  'mcp_toolset',
  'memory_20250818',
  'text_editor_20250728',
  'web_fetch_20250910',
  'tool_search_tool_bm25',
  'tool_search_tool_regex_20251119',
];
const NATIVE_BLOCKS = [
  'server_tool_use',
  'web_search_tool_result',
  'web_fetch_tool_result',
  'code_execution_tool_result',
  'bash_code_execution_tool_result',
  'text_editor_code_execution_tool_result',
  'tool_search_tool_result',
  'mcp_tool_use',
  'mcp_tool_result',
  'container_upload',
];
const SEARCH_FIELDS: readonly JsonObject[] = [
  {},
  { allowed_domains: ['allowed.example.com'] },
  { blocked_domains: ['blocked.example.com'] },
  { max_uses: 7 },
  { user_location: { type: 'approximate', city: 'city-of-user' } },
  MARK,
  { allowed_callers: ['direct'] },
  { defer_loading: true },
  { response_inclusion: 'excluded' },
  { strict: true },
];

/** Small Messages requests that between them hold every field of the dialect with a value that means something. */
export const MESSAGES_SPECIMENS: readonly JsonObject[] = [
  ask({}),
  ask({ max_tokens: 3_121 }),
  ask({ temperature: 0.31 }),
  ask({ top_p: 0.87 }),
  ask({ top_k: 37 }),
  ask({ stop_sequences: ['stop-here'] }),
  ask({ stream: true }),
  ask({ thinking: { type: 'enabled', budget_tokens: 2_223 } }),
  ask({ thinking: { type: 'adaptive' } }),
  ask({ thinking: { type: 'enabled', budget_tokens: 2_224, display: 'omitted' } }),
  ask({ thinking: { type: 'between_tools' } }),
  ask({ thinking: { type: 'disabled' } }),
  ask({ output_config: { effort: 'low' } }),
  ask({ output_config: { format: { type: 'json_schema', schema: SCHEMA } } }),
  ask({ output_format: { type: 'json_schema', schema: SCHEMA } }),
  ask({ service_tier: 'standard_only' }),
  ask({ speed: 'fast' }),
  ask({ metadata: { user_id: 'id-of-user' } }),
  ask({ cache_control: { type: 'ephemeral' } }),
  ask({ container: 'container-of-anthropic' }),
  ask({ context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] } }),
  ask({ diagnostics: { previous_message_id: 'msg_1' } }),
  ask({ inference_geo: 'us' }),
  ask({ user_profile_id: 'profile-1' }),
  ask({ workspace_id: 'workspace-1' }),
  ask({ mcp_servers: [{ type: 'url', name: 'server', url: 'https://mcp.example.com' }] }),
  ask({ thread: { type: 'create' } }),
  ask({ field_of_tomorrow: 'x' }),
  ask({ system: 'text-of-system' }),
  ask({ system: [{ type: 'text', text: 'text-of-system', ...MARK }] }),
  ask({ system: [{ type: 'text', text: 'text-of-system', citations: [CITATION] }] }),
  ask({}, HELLO, { role: 'system', content: 'text-of-later-system' }),
  ask({ tools: [TOOL] }),
  ask({ tools: [{ ...TOOL, strict: true }] }),
  ask({ tools: [{ ...TOOL, ...MARK }] }),
  ask({
    tools: [
      {
        ...TOOL,
        defer_loading: true,
        allowed_callers: ['code_execution_20250825'],
        eager_input_streaming: true,
        input_examples: [{ city_of_schema: 'example' }],
      },
    ],
  }),
  ...SERVER_TOOLS.map((type) => ask({ tools: [{ type, name: 'server_tool' }] })),
  ...SEARCH_FIELDS.map((fields) =>
    ask({ tools: [{ type: 'web_search_20250305', name: 'web_search', ...fields }] }),
  ),
  ask({ tools: [TOOL], tool_choice: { type: 'auto' } }),
  ask({ tools: [TOOL], tool_choice: { type: 'auto', disable_parallel_tool_use: true } }),
  ask({ tools: [TOOL], tool_choice: { type: 'any' } }),
  ask({ tools: [TOOL], tool_choice: { type: 'none' } }),
  ask({ tools: [TOOL, OTHER], tool_choice: { type: 'tool', name: 'other_name' } }),
  ...BLOCKS.map((block) => show(block)),
  ...BLOCKS.map((block) => loop(CALL, result({ content: [block] }))),
  answered({ type: 'thinking', thinking: 'thought-of-model', signature: 'c2lnbmF0dXJl' }, TEXT),
  answered({ type: 'redacted_thinking', data: 'ZGF0YQ==' }, TEXT),
  ...NATIVE_BLOCKS.map((type) => answered({ type, id: `id-of-${type}` }, TEXT)),
  loop(CALL, result({})),
  loop(CALL, result({ is_error: true })),
  loop(CALL, result({ ...MARK })),
  loop({ ...CALL, ...MARK }, result({})),
  loop({ ...CALL, caller: { type: 'code_execution_20250825', tool_id: 'srvtoolu_1' } }, result({})),
  loop({ ...CALL, toolset_name: 'toolset' }, result({ toolset_name: 'toolset' })),
  loop(CALL, result({ content: [TEXT, { type: 'browser_state', title: 'x' }] })),
  loop(CALL, result({ content: [TEXT, { type: 'tool_reference', tool_name: 'x' }] })),
];
