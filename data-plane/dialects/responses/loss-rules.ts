import {
  carried,
  dropped,
  emulated,
  type LossRules,
  mapped,
  type RequestLosses,
  refused,
} from '#data-plane/dialects/loss-rule.ts';

const noSuchField = dropped('the protocol has no such field');
const notWithoutIt = refused('the protocol has no such field, and the answer would mean something else');

/** What becomes of each feature of a turn at a provider that speaks OpenAI Responses. */
export const RESPONSES_LOSS_RULES = {
  temperature: mapped('left out where the model takes no sampling parameters'),
  top_p: mapped('left out where the model takes no sampling parameters'),
  top_k: noSuchField,
  presence_penalty: noSuchField,
  frequency_penalty: noSuchField,
  seed: noSuchField,
  n: notWithoutIt,
  logprobs: mapped('`include` and `top_logprobs`'),
  stop: notWithoutIt,
  max_tokens: mapped('`max_output_tokens`, at least 16'),
  'tools.function': carried(),
  'tools.function.strict': carried(
    'absent means not strict, which is said, because this protocol would assume it',
  ),
  'tools.custom': carried(),
  'tools.namespace': carried(),
  'tools.server.own': carried(),
  'tools.server.web_search': mapped("the protocol's own `web_search`"),
  'tools.server.agent': dropped('agents send it as a matter of course; the model answers without it'),
  'tools.server': refused('only the provider that offers this tool can run it'),
  'tool_choice.auto': carried(),
  'tool_choice.none': carried(),
  'tool_choice.required': carried(),
  'tool_choice.tool': carried(),
  parallel_tool_calls: carried(),
  'response_format.json_object': mapped('`text.format`'),
  'response_format.json_schema': mapped('`text.format`'),
  verbosity: mapped('`text.verbosity`'),
  'reasoning.effort': mapped('the nearest effort that the model knows; left out where it does not reason'),
  'reasoning.mode': mapped('off becomes the weakest effort; on leaves the effort to the model'),
  'reasoning.budget': mapped('the effort that comes nearest'),
  'reasoning.summary': carried('asked for where the client asked for thinking'),
  service_tier: mapped('`standard_only` becomes `default`; tiers unknown here are left out'),
  user: mapped('`safety_identifier`; a digest where it is longer than 64 characters'),
  metadata: carried('up to 16 texts of up to 512 characters; other members are left out'),
  prompt_cache_key: carried('a digest where it is longer than 64 characters'),
  cache_control: dropped('the provider caches prefixes by itself'),
  'message.name': noSuchField,
  'content.text': carried(),
  'content.image': mapped('`input_image`, base64 as a data URL'),
  'content.image.assistant': dropped('messages of the assistant hold text only'),
  'content.audio': refused('the protocol takes no audio'),
  'content.video': refused('the protocol takes no video'),
  'content.document.base64': mapped('`input_file` with a data URL'),
  'content.document.url': mapped('`input_file.file_url`'),
  'content.document.text': emulated('a text part'),
  'content.file_id': carried('for files of the same provider'),
  'content.file_id.foreign': refused('only the provider that stores a file can read it'),
  'reasoning.text': dropped('thoughts go back only as the item that the provider wrote'),
  'reasoning.signature.own': carried('the whole item, id included'),
  'reasoning.signature.foreign': dropped('only its issuer can read it'),
  refusal: carried(),
  'tool_result.text': carried(),
  'tool_result.media': carried(),
  'tool_result.error': emulated('the result begins with "Error:"'),
  'native.own': carried(),
  'native.foreign': dropped('only the provider that wrote this block can read it'),
  'extras.own': carried(),
  'extras.web_search_options': mapped("the protocol's own `web_search`"),
  'extras.stateful': refused('only the provider that stored it can resolve it'),
  'extras.meaningful': refused('the protocol has no such field, and the answer would mean something else'),
  'extras.other': noSuchField,
} as const satisfies LossRules<string>;

export type ResponsesFeature = keyof typeof RESPONSES_LOSS_RULES;
export type ResponsesLosses = RequestLosses<ResponsesFeature>;

/** Fields of the protocol that the turn does not model, and the type by which they are told from namesakes elsewhere. */
export const OWN_EXTRAS: ReadonlyMap<string, 'string' | 'number' | 'object' | 'array'> = new Map([
  ['truncation', 'string'],
  ['max_tool_calls', 'number'],
  ['include', 'array'],
  ['context_management', 'array'],
  ['prompt_cache_retention', 'string'],
  ['prompt_cache_options', 'object'],
  ['moderation', 'object'],
  ['tool_choice', 'object'],
]);

export const STATEFUL_EXTRAS: ReadonlySet<string> = new Set([
  'previous_response_id',
  'conversation',
  'prompt',
  'container',
  'mcp_servers',
]);

export const MEANINGFUL_EXTRAS: ReadonlySet<string> = new Set(['logit_bias', 'audio', 'modalities']);

/** Server tools of other protocols that agents list as a matter of course. */
export const AGENT_SERVER_TOOLS = /^(tool_search|advisor)/;
export const WEB_SEARCH_TOOLS = /^web_search/;
