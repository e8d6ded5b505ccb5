import {
  carried,
  dropped,
  emulated,
  type LossRules,
  mapped,
  type RequestLosses,
  refused,
} from '#data-plane/dialects/loss-rule.ts';

/** Everything of a turn that Gemini may or may not be able to hear. */
export type GeminiFeature =
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
  | 'tools.server.own'
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
  | 'messages.system'
  | 'content.text'
  | 'content.media.base64'
  | 'content.media.url'
  | 'content.media.file_id.own'
  | 'content.media.file_id.foreign'
  | 'reasoning.text'
  | 'reasoning.signature.own'
  | 'reasoning.signature.foreign'
  | 'refusal'
  | 'tool_result.text'
  | 'tool_result.media'
  | 'tool_result.error'
  | 'native.own'
  | 'native.foreign'
  | 'extras.meaningful'
  | 'extras.stateful'
  | 'extras.other';

export type GeminiLosses = RequestLosses<GeminiFeature>;

const noWord = dropped('generateContent has no word for it');

/** What becomes of a turn at `generateContent`. */
export const GEMINI_LOSS_RULES: LossRules<GeminiFeature> = {
  temperature: carried(),
  top_p: carried(),
  top_k: carried(),
  presence_penalty: carried(),
  frequency_penalty: carried(),
  seed: carried('numbers of more than 32 bits are dropped'),
  n: mapped('`candidateCount`'),
  logprobs: mapped('`responseLogprobs`'),
  stop: mapped('`stopSequences`'),
  max_tokens: mapped('`maxOutputTokens`'),
  'tools.function': mapped('`functionDeclarations` with `parametersJsonSchema`'),
  'tools.function.strict': noWord,
  'tools.custom': emulated('a function with one string parameter `input`'),
  'tools.server.own': carried(),
  'tools.server.search': mapped('`googleSearch`; dropped where functions are declared as well'),
  'tools.server': refused('only the provider that offers this tool can run it'),
  'tool_choice.auto': mapped('mode `AUTO`'),
  'tool_choice.none': mapped('mode `NONE`'),
  'tool_choice.required': mapped('mode `ANY`'),
  'tool_choice.tool': mapped('mode `ANY` with one allowed name'),
  parallel_tool_calls: noWord,
  'response_format.json_object': mapped(
    '`responseMimeType`; in the system prompt where functions are declared',
  ),
  'response_format.json_schema': mapped(
    '`responseJsonSchema`; in the system prompt where functions are declared',
  ),
  verbosity: noWord,
  'reasoning.effort': mapped('`thinkingLevel`, or a `thinkingBudget`'),
  'reasoning.mode': mapped('a `thinkingBudget` of 0 or -1, or the lowest level'),
  'reasoning.budget': mapped('`thinkingBudget`, or the nearest `thinkingLevel`'),
  'reasoning.summary': mapped('`includeThoughts`'),
  service_tier: noWord,
  user: noWord,
  metadata: noWord,
  prompt_cache_key: dropped('the provider caches prefixes by itself'),
  cache_control: dropped('the provider caches prefixes by itself'),
  'message.name': noWord,
  'messages.system': mapped('`systemInstruction`; later ones as marked text of the user'),
  'content.text': carried(),
  'content.media.base64': mapped('`inlineData`'),
  'content.media.url': emulated(
    'the gateway fetches it and sends `inlineData`; YouTube pages go as `fileData`',
  ),
  'content.media.file_id.own': mapped('`fileData`'),
  'content.media.file_id.foreign': refused('only the provider that stored a file can read it'),
  'reasoning.text': dropped('thoughts are told, not read; those with a signature are carried'),
  'reasoning.signature.own': carried(),
  'reasoning.signature.foreign': dropped('only its issuer can read it'),
  refusal: mapped('sent as the text of the model'),
  'tool_result.text': mapped('`functionResponse.response.output`'),
  'tool_result.media': emulated('a user content behind the responses'),
  'tool_result.error': mapped('`functionResponse.response.error`'),
  'native.own': carried(),
  'native.foreign': dropped('only the provider that wrote this block can read it'),
  'extras.meaningful': refused('the provider has no such field'),
  'extras.stateful': refused('only the provider that stored it can resolve it'),
  'extras.other': noWord,
};

/** Extras whose absence would change what is asked, so that no provider but their own may answer. */
export const STATEFUL_EXTRAS: ReadonlySet<string> = new Set([
  'previous_response_id',
  'conversation',
  'prompt',
  'mcp_servers',
]);

/** Extras that ask for something else than text, or change the text itself. */
export const MEANINGFUL_EXTRAS: ReadonlySet<string> = new Set(['logit_bias', 'audio', 'web_search_options']);
