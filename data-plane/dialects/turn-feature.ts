import type { JsonValue } from './turn.ts';

/**
 * Everything that a turn may ask of a provider, in the turn's own words. A client's field list says which of its fields
 * asks for which feature, a provider's loss rules say what becomes of each: the published loss table is the two joined.
 */
export type TurnFeature =
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
  | 'tools.custom.format'
  | 'tools.namespace'
  | 'tools.namespace.description'
  | 'tools.server.own'
  | 'tools.server.web_search'
  | 'tools.server.web_search.filters'
  | 'tools.server.web_search.options'
  | 'tools.server.agent'
  | 'tools.server'
  | 'tool_choice.auto'
  | 'tool_choice.none'
  | 'tool_choice.required'
  | 'tool_choice.tool'
  | 'tool_choice.allowed'
  | 'parallel_tool_calls'
  | 'response_format.text'
  | 'response_format.json_object'
  | 'response_format.json_schema'
  | 'response_format.json_schema.name'
  | 'response_format.json_schema.description'
  | 'response_format.json_schema.strict'
  | 'verbosity'
  | 'reasoning.effort'
  | 'reasoning.mode'
  | 'reasoning.off'
  | 'reasoning.budget'
  | 'reasoning.summary'
  | 'service_tier'
  | 'user'
  | 'metadata'
  | 'prompt_cache_key'
  | 'cache_control'
  | 'message.name'
  | 'message.phase'
  | 'messages.system'
  | 'messages.system.later'
  | 'content.text'
  | 'content.image'
  | 'content.image.detail'
  | 'content.image.assistant'
  | 'content.audio'
  | 'content.audio.url'
  | 'content.video'
  | 'content.document'
  | 'content.document.other'
  | 'content.document.url'
  | 'content.document.text'
  | 'content.document.title'
  | 'file_id.openai'
  | 'file_id.openai.image'
  | 'file_id.anthropic'
  | 'file_id.gemini'
  | 'reasoning.text'
  | 'reasoning.signature.own'
  | 'reasoning.signature.foreign'
  | 'refusal'
  | 'tool_call'
  | 'tool_call.legacy'
  | 'tool_call.id'
  | 'tool_call.custom'
  | 'tool_result.text'
  | 'tool_result.media'
  | 'tool_result.error'
  | 'native.own'
  | 'native.foreign'
  | ExtraFeature;

/** Request fields that the turn does not model and that travel in its `extras`. */
export type ExtraFeature =
  | 'extras.store'
  | 'extras.logit_bias'
  | 'extras.modalities'
  | 'extras.audio'
  | 'extras.prediction'
  | 'extras.web_search_options'
  | 'extras.moderation'
  | 'extras.prompt_cache'
  | 'extras.responses'
  | 'extras.tool_choice'
  | 'extras.stateful'
  | 'extras.container'
  | 'extras.context_management'
  | 'extras.region'
  | 'extras.automatic_caching'
  | 'extras.other';

type JsonType = 'string' | 'number' | 'boolean' | 'object' | 'array';

interface ExtraKind {
  readonly feature: ExtraFeature;
  /** Tells namesakes of different dialects apart; absent: any. */
  readonly type?: JsonType;
}

const EXTRAS: ReadonlyMap<string, readonly ExtraKind[]> = new Map([
  ['store', [{ feature: 'extras.store' }]],
  ['logit_bias', [{ feature: 'extras.logit_bias' }]],
  ['modalities', [{ feature: 'extras.modalities' }]],
  ['audio', [{ feature: 'extras.audio' }]],
  ['prediction', [{ feature: 'extras.prediction' }]],
  ['web_search_options', [{ feature: 'extras.web_search_options', type: 'object' }]],
  ['moderation', [{ feature: 'extras.moderation' }]],
  ['prompt_cache_retention', [{ feature: 'extras.prompt_cache', type: 'string' }]],
  ['prompt_cache_options', [{ feature: 'extras.prompt_cache', type: 'object' }]],
  ['truncation', [{ feature: 'extras.responses', type: 'string' }]],
  ['max_tool_calls', [{ feature: 'extras.responses', type: 'number' }]],
  ['include', [{ feature: 'extras.responses', type: 'array' }]],
  ['reasoning.mode', [{ feature: 'extras.responses' }]],
  ['reasoning.context', [{ feature: 'extras.responses' }]],
  ['tool_choice', [{ feature: 'extras.tool_choice' }]],
  ['previous_response_id', [{ feature: 'extras.stateful' }]],
  ['conversation', [{ feature: 'extras.stateful' }]],
  ['background', [{ feature: 'extras.stateful' }]],
  ['prompt', [{ feature: 'extras.stateful' }]],
  ['container', [{ feature: 'extras.container' }]],
  [
    'context_management',
    [
      { feature: 'extras.context_management', type: 'object' },
      { feature: 'extras.responses', type: 'array' },
    ],
  ],
  ['inference_geo', [{ feature: 'extras.region' }]],
  ['cache_control', [{ feature: 'extras.automatic_caching', type: 'object' }]],
] as const satisfies readonly (readonly [string, readonly ExtraKind[]])[]);

/** What a field outside the turn asks for. `name` is its path in the client's body; nested ones are mostly `other`. */
export function extraFeatureOf(name: string, value: JsonValue): ExtraFeature {
  const type = Array.isArray(value) ? 'array' : typeof value;
  const kind = EXTRAS.get(name)?.find((candidate) => candidate.type === undefined || candidate.type === type);
  return kind?.feature ?? 'extras.other';
}

/** Whether `modalities` asks for nothing but text. */
export function isTextOnly(modalities: JsonValue): boolean {
  return Array.isArray(modalities) && modalities.every((modality) => modality === 'text');
}

/** Tools that agents list as a matter of course; the answer is sound without them. */
const AGENT_SERVER_TOOLS = /^(?:tool_search|advisor|image_generation|local_shell|x_search)/;
const WEB_SEARCH_TOOLS = /^web_search/;

/** What a tool of a foreign provider asks for, by its `type` there. */
export function serverToolFeature(
  type: string,
): 'tools.server.web_search' | 'tools.server.agent' | 'tools.server' {
  if (WEB_SEARCH_TOOLS.test(type)) return 'tools.server.web_search';
  return AGENT_SERVER_TOOLS.test(type) ? 'tools.server.agent' : 'tools.server';
}
