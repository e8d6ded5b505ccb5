import { type ClientFieldList, clientFields } from '#data-plane/dialects/client-field.ts';
import { INPUT_FIELDS } from './client-input-fields.ts';

const whole = { whole: true } as const;
const beyondSchema = { beyondSchema: true } as const;
const unset = { neutral: [false] } as const;

/** Parameters of a Responses request. */
const PARAMETERS = clientFields([
  ['model', 'gateway', { note: 'the catalog id becomes the name that the provider knows' }],
  ['stream', 'gateway'],
  ['stream_options', 'structure'],
  ['stream_options.include_obfuscation', 'extras.other', unset],
  ['instructions', 'messages.system'],
  ['max_output_tokens', 'max_tokens'],
  ['temperature', 'temperature'],
  ['top_p', 'top_p'],
  ['presence_penalty', 'presence_penalty', beyondSchema],
  ['frequency_penalty', 'frequency_penalty', beyondSchema],
  ['top_logprobs', 'logprobs', { neutral: [0] }],
  [
    'include',
    'extras.responses',
    { whole: true, note: 'encrypted reasoning always comes, log probabilities as asked' },
  ],
  ['parallel_tool_calls', 'parallel_tool_calls'],
  ['max_tool_calls', 'extras.responses', { note: 'it counts calls of server tools only' }],
  ['text', 'structure'],
  ['text.format', 'structure'],
  ['text.format(text)', 'response_format.text'],
  ['text.format(json_object)', 'response_format.json_object'],
  ['text.format(json_schema)', 'structure'],
  ['text.format(json_schema).schema', 'response_format.json_schema', whole],
  ['text.format(json_schema).name', 'response_format.json_schema.name'],
  ['text.format(json_schema).description', 'response_format.json_schema.description'],
  ['text.format(json_schema).strict', 'response_format.json_schema.strict'],
  ['text.verbosity', 'verbosity'],
  ['reasoning', 'structure'],
  ['reasoning.effort', 'reasoning.effort'],
  ['reasoning.effort=none', 'reasoning.off'],
  ['reasoning.summary', 'reasoning.summary', { neutral: ['none'] }],
  ['reasoning.generate_summary', 'reasoning.summary'],
  ['reasoning.mode', 'extras.responses'],
  ['reasoning.context', 'extras.responses'],
  ['service_tier', 'service_tier'],
  ['safety_identifier', 'user'],
  ['user', 'user', { yieldsTo: 'safety_identifier' }],
  ['metadata', 'metadata', whole],
  ['prompt_cache_key', 'prompt_cache_key'],
  ['prompt_cache_retention', 'extras.prompt_cache'],
  ['prompt_cache_options', 'extras.prompt_cache', whole],
  ['store', 'extras.store', unset],
  ['truncation', 'extras.responses', { neutral: ['disabled'] }],
  ['context_management', 'extras.responses', whole],
  ['moderation', 'extras.moderation', whole],
  ['previous_response_id', 'refused', { note: 'nothing is stored here; `""` asks for nothing' }],
  ['conversation', 'refused', { whole: true, note: 'nothing is stored here' }],
  ['prompt', 'refused', { whole: true, note: 'nothing is stored here' }],
  ['background', 'refused', { note: 'nothing is stored here; `false` asks for nothing' }],
]);

const NESTED_MEMBERS = ['name', 'description', 'strict'];
const OWN_TOOL_FIELDS = ['tools', 'tools[namespace].tools'].flatMap((list) =>
  clientFields([
    [`${list}[function]`, 'tools.function'],
    [`${list}[function].name`, 'tools.function'],
    [`${list}[function].description`, 'tools.function'],
    [`${list}[function].parameters`, 'tools.function', whole],
    [`${list}[function].strict`, 'tools.function.strict'],
    [`${list}[function].function`, 'tools.function', { members: NESTED_MEMBERS, beyondSchema: true }],
    [`${list}[function].function.parameters`, 'tools.function', { whole: true, beyondSchema: true }],
    [`${list}[function].output_schema`, 'extras.other', whole],
    [`${list}[custom]`, 'tools.custom'],
    [`${list}[custom].name`, 'tools.custom'],
    [`${list}[custom].description`, 'tools.custom'],
    [`${list}[custom].format`, 'tools.custom.format', { members: ['type', 'syntax', 'definition'] }],
    [`${list}[function|custom].defer_loading`, 'extras.other', unset],
    [`${list}[function|custom].allowed_callers`, 'extras.other', whole],
  ]),
);

const SERVER_TOOLS = [
  'file_search',
  'computer',
  'computer_use_preview',
  'mcp',
  'code_interpreter',
  'programmatic_tool_calling',
  'shell',
  'apply_patch',
];
const AGENT_TOOLS = ['image_generation', 'local_shell', 'tool_search'];
const WEB_SEARCHES = ['web_search|web_search_2025_08_26', 'web_search_preview|web_search_preview_2025_03_11'];
const ALLOWED_MEMBERS = ['mode', 'tools[].name', 'tools[].namespace', 'tools[].server_label'];
const CHOSEN_SERVER_TOOLS =
  'file_search|web_search_preview|computer|computer_use_preview|computer_use|web_search_preview_2025_03_11|image_generation|code_interpreter|mcp|programmatic_tool_calling|apply_patch|shell';

const TOOLS = clientFields([
  ['tools', 'structure'],
  ['tools[namespace]', 'tools.namespace'],
  ['tools[namespace].name', 'tools.namespace'],
  ['tools[namespace].description', 'tools.namespace.description'],
  ['tools[namespace].tools', 'structure'],
  ...SERVER_TOOLS.map((type) => [`tools[${type}]`, 'tools.server', whole] as const),
  ...AGENT_TOOLS.map((type) => [`tools[${type}]`, 'tools.server.agent', whole] as const),
  ...WEB_SEARCHES.map((types) => [`tools[${types}]`, 'tools.server.web_search', whole] as const),
  ['tool_choice', 'structure'],
  ['tool_choice=auto', 'tool_choice.auto'],
  ['tool_choice=none', 'tool_choice.none'],
  ['tool_choice=required', 'tool_choice.required'],
  ['tool_choice(function)', 'tool_choice.tool', { members: ['name', 'namespace', 'function.name'] }],
  ['tool_choice(custom)', 'tool_choice.tool', { members: ['name', 'namespace'] }],
  ['tool_choice(allowed_tools)', 'tool_choice.allowed', { members: ALLOWED_MEMBERS }],
  [`tool_choice(${CHOSEN_SERVER_TOOLS})`, 'extras.tool_choice', whole],
]);

/** Every field of a Responses request, and what it asks for. */
export const RESPONSES_CLIENT_FIELDS: ClientFieldList = {
  fields: [...PARAMETERS, ...OWN_TOOL_FIELDS, ...TOOLS, ...INPUT_FIELDS],
  impliedTypes: { input: 'message' },
};
