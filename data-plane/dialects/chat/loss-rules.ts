import {
  carried,
  dropped,
  emulated,
  type LossRules,
  mapped,
  type RequestLosses,
  refused,
} from '#data-plane/dialects/loss-rule.ts';

/** Everything of a turn that a chat provider may or may not be able to hear. */
export type ChatFeature =
  | 'temperature'
  | 'top_p'
  | 'top_k'
  | 'presence_penalty'
  | 'frequency_penalty'
  | 'seed'
  | 'n'
  | 'logprobs'
  | 'stop'
  | 'max_tokens'
  | 'tools.function'
  | 'tools.function.strict'
  | 'tools.custom'
  | 'tools.server.search'
  | 'tools.server'
  | 'tool_choice.auto'
  | 'tool_choice.none'
  | 'tool_choice.required'
  | 'tool_choice.tool'
  | 'parallel_tool_calls'
  | 'response_format.json_object'
  | 'response_format.json_schema'
  | 'verbosity'
  | 'reasoning.effort'
  | 'reasoning.mode'
  | 'reasoning.budget'
  | 'reasoning.summary'
  | 'service_tier'
  | 'user'
  | 'metadata'
  | 'prompt_cache_key'
  | 'cache_control'
  | 'message.name'
  | 'content.text'
  | 'content.image'
  | 'content.image.file_id'
  | 'content.audio'
  | 'content.audio.url'
  | 'content.video'
  | 'content.document.base64'
  | 'content.document.url'
  | 'content.document.file_id'
  | 'content.document.text'
  | 'reasoning.text'
  | 'reasoning.signature.own'
  | 'reasoning.signature.foreign'
  | 'refusal'
  | 'tool_result.text'
  | 'tool_result.media'
  | 'tool_result.error'
  | 'native.own'
  | 'native.foreign'
  | 'extras.openai'
  | 'extras.stateful'
  | 'extras.other';

const noWord = dropped('chat completions have no word for it');

export type ChatLosses = RequestLosses<ChatFeature>;

/** What OpenAI's own chat API does with a turn; vendors depart from it by their traits. */
export const CHAT_LOSS_RULES: LossRules<ChatFeature> = {
  temperature: carried('left out where the model takes no sampling parameters'),
  top_p: carried('left out where the model takes no sampling parameters'),
  top_k: noWord,
  presence_penalty: carried(),
  frequency_penalty: carried(),
  seed: carried(),
  n: carried(),
  logprobs: carried(),
  stop: carried(),
  max_tokens: mapped('`max_completion_tokens` or `max_tokens`, as the vendor reads it'),
  'tools.function': carried(),
  'tools.function.strict': carried(),
  'tools.custom': carried(),
  'tools.server.search': dropped('agents send it as a matter of course; the model answers without it'),
  'tools.server': refused('only the provider that offers this tool can run it'),
  'tool_choice.auto': carried(),
  'tool_choice.none': carried(),
  'tool_choice.required': carried(),
  'tool_choice.tool': carried(),
  parallel_tool_calls: carried(),
  'response_format.json_object': carried(),
  'response_format.json_schema': carried('in words where the model takes no schema'),
  verbosity: carried(),
  'reasoning.effort': mapped(
    "`reasoning_effort` or the vendor's own switch; dropped where the model does not reason",
  ),
  'reasoning.mode': mapped("the vendor's switch, where it has one"),
  'reasoning.budget': mapped("the vendor's budget field, else the nearest effort"),
  'reasoning.summary': dropped('chat providers show thoughts or do not'),
  service_tier: carried('tiers that this protocol does not know are left out'),
  user: mapped('`safety_identifier`, `user` or `user_id`, as the vendor reads it'),
  metadata: carried('only with `store`, as the provider wants it'),
  prompt_cache_key: carried('a digest where it is longer than 64 characters'),
  cache_control: dropped('the provider caches prefixes by itself'),
  'message.name': carried(),
  'content.text': carried(),
  'content.image': mapped('`image_url`, base64 as a data URL'),
  'content.image.file_id': refused('chat completions take images by URL or as data'),
  'content.audio': mapped('`input_audio`'),
  'content.audio.url': emulated('the gateway fetches it and sends the data'),
  'content.video': refused('the provider takes no video'),
  'content.document.base64': mapped('`file.file_data`'),
  'content.document.url': emulated('the gateway fetches it and sends the data'),
  'content.document.file_id': mapped('`file.file_id`, for files of the same provider'),
  'content.document.text': mapped('a text part'),
  'reasoning.text': mapped("the vendor's reasoning field; OpenAI takes none"),
  'reasoning.signature.own': carried(),
  'reasoning.signature.foreign': dropped('only its issuer can read it'),
  refusal: carried(),
  'tool_result.text': carried(),
  'tool_result.media': emulated('a user message behind the results'),
  'tool_result.error': emulated('the result begins with "Error:"'),
  'native.own': carried(),
  'native.foreign': dropped('only the provider that wrote this block can read it'),
  'extras.openai': carried(),
  'extras.stateful': refused('only the provider that stored it can resolve it'),
  'extras.other': dropped('the provider has no such field'),
};

/** Fields of OpenAI's chat API that the turn does not model, sent on as they came where the vendor is OpenAI. */
export const OPENAI_EXTRAS: ReadonlySet<string> = new Set([
  'store',
  'logit_bias',
  'modalities',
  'audio',
  'prediction',
  'web_search_options',
  'moderation',
  'prompt_cache_retention',
  'prompt_cache_options',
]);

/** Extras whose absence would change what is asked, so that no provider but their own may answer. */
export const STATEFUL_EXTRAS: ReadonlySet<string> = new Set([
  'previous_response_id',
  'conversation',
  'prompt',
  'mcp_servers',
]);

/** Extras that ask for something else than text, or change the text itself: refused where they are not carried. */
export const MEANINGFUL_EXTRAS: ReadonlySet<string> = new Set(['logit_bias', 'audio', 'web_search_options']);
