import { type ClientField, type ClientFieldList, clientFields } from '#data-plane/dialects/client-field.ts';

const whole = { whole: true } as const;
const data = { members: ['data', 'media_type'] } as const;
const address = { members: ['url'] } as const;
const unset = { neutral: [false] } as const;

/** Parameters of a Messages request, of all its versions and betas. */
const PARAMETERS = clientFields([
  ['model', 'gateway', { note: 'the catalog id becomes the name that the provider knows' }],
  ['stream', 'gateway'],
  ['max_tokens', 'max_tokens'],
  ['temperature', 'temperature'],
  ['top_p', 'top_p'],
  ['top_k', 'top_k'],
  ['stop_sequences', 'stop', whole],
  ['thinking', 'structure'],
  ['thinking(enabled)', 'reasoning.mode'],
  ['thinking(enabled).budget_tokens', 'reasoning.budget'],
  ['thinking(adaptive)', 'reasoning.mode'],
  ['thinking(between_tools)', 'reasoning.mode'],
  ['thinking(disabled)', 'reasoning.off'],
  ['thinking(enabled|adaptive|between_tools).display', 'reasoning.summary', { neutral: ['summarized'] }],
  ['output_config', 'structure'],
  ['output_config.effort', 'reasoning.effort'],
  ['output_config.format', 'structure'],
  ['output_config.format.type', 'structure'],
  ['output_config.format.schema', 'response_format.json_schema', whole],
  ['output_format', 'structure', { yieldsTo: 'output_config' }],
  ['output_format.type', 'structure'],
  ['output_format.schema', 'response_format.json_schema', whole],
  ['service_tier', 'service_tier'],
  ['speed', 'extras.other', { neutral: ['standard'] }],
  ['metadata', 'structure'],
  ['metadata.user_id', 'user'],
  ['cache_control', 'extras.automatic_caching', whole],
  ['container', 'extras.container', whole],
  ['context_management', 'extras.context_management', whole],
  ['diagnostics', 'extras.other', whole],
  ['inference_geo', 'extras.region'],
  ['user_profile_id', 'extras.other'],
  ['workspace_id', 'extras.other'],
  ['mcp_servers', 'tools.server', whole],
  ['thread', 'refused', { whole: true, beyondSchema: true, note: 'the SDK then sends the full history' }],
]);

const SERVER_TOOLS =
  'bash_20241022|bash_20250124|browser_toolset_20260801|code_execution_20250522|code_execution_20250825|code_execution_20260120|code_execution_20260521|computer_20241022|computer_20250124|computer_20251124|computer_toolset_20260801|mcp_toolset|memory_20250818|text_editor_20241022|text_editor_20250124|text_editor_20250429|text_editor_20250728|web_fetch_20250910|web_fetch_20260209|web_fetch_20260309|web_fetch_20260318';
const WEB_SEARCHES = 'web_search_20250305|web_search_20260209|web_search_20260318';
const TOOL_SEARCHES =
  'tool_search_tool_bm25_20251119|tool_search_tool_bm25|tool_search_tool_regex_20251119|tool_search_tool_regex';

const TOOLS = clientFields([
  ['tools', 'structure'],
  ['tools[custom]', 'tools.function'],
  ['tools[custom].name', 'tools.function'],
  ['tools[custom].description', 'tools.function'],
  ['tools[custom].input_schema', 'tools.function', whole],
  ['tools[custom].strict', 'tools.function.strict'],
  ['tools[custom].cache_control', 'cache_control', { members: ['type', 'ttl'] }],
  ['tools[custom].defer_loading', 'extras.other', unset],
  ['tools[custom].allowed_callers', 'extras.other', whole],
  ['tools[custom].eager_input_streaming', 'extras.other', unset],
  ['tools[custom].input_examples', 'extras.other', whole],
  [`tools[${SERVER_TOOLS}]`, 'tools.server', whole],
  [`tools[${WEB_SEARCHES}]`, 'tools.server.web_search'],
  [`tools[${WEB_SEARCHES}].name`, 'structure'],
  [`tools[${WEB_SEARCHES}].allowed_domains`, 'tools.server.web_search.filters', whole],
  [`tools[${WEB_SEARCHES}].user_location`, 'tools.server.web_search.filters', whole],
  [`tools[${WEB_SEARCHES}].blocked_domains`, 'tools.server.web_search.options', whole],
  [`tools[${WEB_SEARCHES}].max_uses`, 'tools.server.web_search.options'],
  [`tools[${WEB_SEARCHES}].cache_control`, 'tools.server.web_search.options', whole],
  [`tools[${WEB_SEARCHES}].allowed_callers`, 'tools.server.web_search.options', whole],
  [`tools[${WEB_SEARCHES}].defer_loading`, 'tools.server.web_search.options'],
  [`tools[${WEB_SEARCHES}].response_inclusion`, 'tools.server.web_search.options', whole],
  [`tools[${WEB_SEARCHES}].strict`, 'tools.server.web_search.options'],
  [`tools[${TOOL_SEARCHES}]`, 'tools.server.agent', whole],
  ['tool_choice', 'structure'],
  ['tool_choice(auto)', 'tool_choice.auto'],
  ['tool_choice(any)', 'tool_choice.required'],
  ['tool_choice(tool)', 'tool_choice.tool'],
  ['tool_choice(tool).name', 'tool_choice.tool'],
  ['tool_choice(none)', 'tool_choice.none'],
  ['tool_choice(auto|any|tool).disable_parallel_tool_use', 'parallel_tool_calls', unset],
]);

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
const NATIVE_RESULTS = ['browser_state', 'tool_reference'];

/** Blocks of prose and media, wherever a list of them stands. */
function blockFields(list: string): readonly ClientField[] {
  return clientFields([
    [`${list}[text].text`, 'content.text'],
    [`${list}[text].citations`, 'extras.other', whole],
    [`${list}[image]`, 'content.image'],
    [`${list}[image].source`, 'structure'],
    [`${list}[image].source(base64)`, 'content.image', data],
    [`${list}[image].source(url)`, 'content.image', address],
    [`${list}[image].source(file)`, 'file_id.anthropic', { members: ['file_id'] }],
    [`${list}[image].transformations`, 'extras.other', whole],
    [`${list}[document].source`, 'structure'],
    [`${list}[document].source(base64)`, 'content.document', data],
    [`${list}[document].source(url)`, 'content.document.url', address],
    [`${list}[document].source(text)`, 'content.document.text', data],
    [`${list}[document].source(file)`, 'file_id.anthropic', { members: ['file_id'] }],
    [`${list}[document].source(content)`, 'content.document.text'],
    [`${list}[document].source(content).content`, 'structure'],
    [`${list}[document].title`, 'content.document.title'],
    [`${list}[document].context`, 'extras.other'],
    [`${list}[document].citations`, 'extras.other', whole],
    [`${list}[search_result].source`, 'content.document.text'],
    [`${list}[search_result].title`, 'content.document.title'],
    [`${list}[search_result].content`, 'content.document.text'],
    [`${list}[search_result].citations`, 'extras.other', whole],
    [`${list}[].cache_control`, 'cache_control', { members: ['type', 'ttl'] }],
  ]);
}

const CONTENT = 'messages[].content';
const RESULT = `${CONTENT}[tool_result].content`;
const MESSAGES = [
  ...[CONTENT, RESULT].flatMap((list) => [
    ...blockFields(list),
    ...blockFields(`${list}[document].source(content).content`).filter(isOfTextOrImage),
    ...blockFields(`${list}[search_result].content`).filter(isOfText),
  ]),
  ...clientFields([
    ...NATIVE_BLOCKS.map((type) => [`${CONTENT}[${type}]`, 'native.foreign', whole] as const),
    ...NATIVE_RESULTS.map((type) => [`${RESULT}[${type}]`, 'native.foreign', whole] as const),
  ]),
  ...clientFields([
    ['system', 'messages.system'],
    ['system[text]', 'messages.system'],
    ['system[text].text', 'messages.system'],
    ['system[text].citations', 'extras.other', whole],
    ['system[text].cache_control', 'cache_control', { members: ['type', 'ttl'] }],
    ['messages', 'structure'],
    ['messages[]', 'structure'],
    ['messages[].role', 'structure'],
    ['messages[].content', 'content.text'],
    [`${CONTENT}[thinking].thinking`, 'reasoning.text'],
    [`${CONTENT}[thinking].signature`, 'reasoning.signature.foreign'],
    [`${CONTENT}[redacted_thinking].data`, 'reasoning.signature.foreign'],
    [`${CONTENT}[tool_use]`, 'tool_call'],
    [`${CONTENT}[tool_use].id`, 'tool_call.id'],
    [`${CONTENT}[tool_use].name`, 'tool_call'],
    [`${CONTENT}[tool_use].input`, 'tool_call', whole],
    [`${CONTENT}[tool_use].caller`, 'extras.other', whole],
    [`${CONTENT}[tool_use].caller(direct)`, 'structure', whole],
    [`${CONTENT}[tool_use|tool_result].toolset_name`, 'extras.other'],
    [`${CONTENT}[tool_result].tool_use_id`, 'tool_call.id'],
    [`${CONTENT}[tool_result].content`, 'tool_result.text'],
    [`${CONTENT}[tool_result].is_error`, 'tool_result.error', unset],
  ]),
];

function isOfTextOrImage(field: ClientField): boolean {
  return isOfText(field) || /\[image\][^[]*$/.test(field.path);
}

function isOfText({ path }: ClientField): boolean {
  return /\[(?:text)?\][^[]*$/.test(path);
}

/** Every field of a Messages request, and what it asks for. */
export const MESSAGES_CLIENT_FIELDS: ClientFieldList = {
  fields: [...PARAMETERS, ...TOOLS, ...MESSAGES],
  impliedTypes: { tools: 'custom' },
};
