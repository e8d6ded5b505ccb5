import { dropped, emulated, type LossRule, mapped, refused } from '#data-plane/dialects/loss-rule.ts';
import type { MediaKind } from '#data-plane/dialects/turn.ts';
import type { TurnFeature } from '#data-plane/dialects/turn-feature.ts';
import { CHAT_LOSS_RULES } from './loss-rules.ts';

/**
 * How a vendor's chat API departs from OpenAI's, as data. Outcomes that differ from the family's loss rules are in
 * `departures`; the other fields say under which name or in which form something is said.
 */
export interface ProviderTraits {
  readonly maxTokensField: 'max_completion_tokens' | 'max_tokens';
  readonly seedField: 'seed' | 'random_seed';
  readonly endUserField: 'safety_identifier' | 'user' | 'user_id';
  /** Understands the role `developer`; otherwise such messages are sent as `system`. */
  readonly developerRole: boolean;
  /** Accepts `stream_options`; the others send usage without being asked. */
  readonly streamOptions: boolean;
  /** The word for "some tool must be called". */
  readonly requiredToolChoice: 'required' | 'any';
  /** Where thoughts of earlier turns go back to the model. */
  readonly thoughts: 'reasoning_content' | 'reasoning' | 'reasoning_details' | 'thinking_parts' | 'none';
  /** Where the request says how hard to think. */
  readonly effortField: 'reasoning_effort' | 'reasoning.effort' | 'none';
  /** Where the request switches thinking on and off. */
  readonly switchField: 'thinking' | 'enable_thinking' | 'reasoning.enabled' | 'reasoning_effort' | 'none';
  readonly budgetField: 'thinking_budget' | 'reasoning.max_tokens' | 'none';
  readonly documents: 'file' | 'document_url';
  /** Fetches pictures and videos by their address. */
  readonly fetchesMedia: boolean;
  /** What call ids may look like; others are replaced by a digest of theirs, the same in call and result. */
  readonly callIds: RegExp | undefined;
  /** Refuses call ids as others commonly write them. */
  readonly refusesForeignCallIds: boolean;
  /** Fields with thoughts that the vendor never writes: what stands there is another's, and some refuse its presence. */
  readonly foreignThoughts: readonly string[];
  /** Fields that every request to this vendor carries. */
  readonly constants: Readonly<Record<string, boolean>>;
  readonly departures: Readonly<Partial<Record<TurnFeature, LossRule>>>;
}

const TOLD_BY_OTHERS: readonly string[] = ['reasoning_content', 'reasoning', 'reasoning_details'];
const STATE_OF_OTHERS: readonly string[] = ['reasoning_details'];
const LONGEST_OPENAI_CALL_ID = /^.{1,40}$/s;
const NINE_LETTERS_OR_DIGITS = /^[a-zA-Z0-9]{9}$/;

const unknownThere = dropped('the provider has no such field');
const changesTheAnswer = refused('the provider cannot do it, and the answer would mean something else');
const schemaInPrompt = emulated('JSON mode, with the schema in the system prompt');
const saidInPrompt = emulated('the system prompt asks for the call');
const openAiOnly = {
  verbosity: unknownThere,
  service_tier: unknownThere,
  prompt_cache_key: unknownThere,
  metadata: unknownThere,
  'extras.store': unknownThere,
  'extras.logit_bias': changesTheAnswer,
  'extras.modalities': changesTheAnswer,
  'extras.audio': changesTheAnswer,
  'extras.prediction': unknownThere,
  'extras.web_search_options': changesTheAnswer,
  'extras.moderation': unknownThere,
  'extras.prompt_cache': unknownThere,
  'tools.custom': emulated('a function with one string parameter `input`'),
  'tools.custom.format': emulated("told in the function's description"),
  'tool_call.custom': emulated('a call with one string parameter `input`'),
  'file_id.openai': changesTheAnswer,
  refusal: mapped('sent as the text of the assistant'),
} as const;

/** What a member of the family does that says nothing else. */
const COMPATIBLE: ProviderTraits = {
  maxTokensField: 'max_tokens',
  seedField: 'seed',
  endUserField: 'user',
  developerRole: false,
  streamOptions: true,
  requiredToolChoice: 'required',
  thoughts: 'reasoning_content',
  effortField: 'reasoning_effort',
  switchField: 'none',
  budgetField: 'none',
  documents: 'file',
  fetchesMedia: true,
  callIds: undefined,
  refusesForeignCallIds: false,
  foreignThoughts: [],
  constants: {},
  departures: { ...openAiOnly, 'content.document': changesTheAnswer },
};

const OPENAI: ProviderTraits = {
  ...COMPATIBLE,
  maxTokensField: 'max_completion_tokens',
  endUserField: 'safety_identifier',
  developerRole: true,
  thoughts: 'none',
  foreignThoughts: TOLD_BY_OTHERS,
  switchField: 'reasoning_effort',
  callIds: LONGEST_OPENAI_CALL_ID,
  departures: {},
};

const DEEPSEEK: ProviderTraits = {
  ...COMPATIBLE,
  foreignThoughts: STATE_OF_OTHERS,
  switchField: 'thinking',
  departures: {
    ...COMPATIBLE.departures,
    'response_format.json_schema': schemaInPrompt,
    'tools.function.strict': unknownThere,
    parallel_tool_calls: unknownThere,
    seed: unknownThere,
    n: changesTheAnswer,
    user: unknownThere,
    'content.audio': changesTheAnswer,
  },
};

const XAI: ProviderTraits = {
  ...COMPATIBLE,
  foreignThoughts: STATE_OF_OTHERS,
  maxTokensField: 'max_completion_tokens',
  developerRole: true,
  departures: { ...COMPATIBLE.departures, 'content.audio': changesTheAnswer },
};

const MISTRAL: ProviderTraits = {
  ...COMPATIBLE,
  seedField: 'random_seed',
  streamOptions: false,
  requiredToolChoice: 'any',
  thoughts: 'thinking_parts',
  documents: 'document_url',
  callIds: NINE_LETTERS_OR_DIGITS,
  refusesForeignCallIds: true,
  foreignThoughts: TOLD_BY_OTHERS,
  departures: {
    ...openAiOnly,
    user: unknownThere,
    logprobs: changesTheAnswer,
    'content.document.url': mapped('`document_url`'),
  },
};

const GROQ: ProviderTraits = {
  ...COMPATIBLE,
  maxTokensField: 'max_completion_tokens',
  thoughts: 'reasoning',
  foreignThoughts: ['reasoning_content', 'reasoning_details'],
  departures: {
    ...COMPATIBLE.departures,
    logprobs: changesTheAnswer,
    n: changesTheAnswer,
    'content.audio': changesTheAnswer,
  },
};

const MOONSHOT: ProviderTraits = {
  ...COMPATIBLE,
  foreignThoughts: STATE_OF_OTHERS,
  fetchesMedia: false,
  endUserField: 'safety_identifier',
  switchField: 'thinking',
  effortField: 'none',
  departures: {
    ...COMPATIBLE.departures,
    'response_format.json_schema': schemaInPrompt,
    'tool_choice.required': saidInPrompt,
    'tool_choice.tool': saidInPrompt,
    'tools.function.strict': unknownThere,
    parallel_tool_calls: unknownThere,
    seed: unknownThere,
    logprobs: changesTheAnswer,
    'content.audio': changesTheAnswer,
    'content.video': mapped('`video_url`'),
  },
};

const QWEN: ProviderTraits = {
  ...COMPATIBLE,
  foreignThoughts: STATE_OF_OTHERS,
  switchField: 'enable_thinking',
  effortField: 'none',
  budgetField: 'thinking_budget',
  departures: {
    ...COMPATIBLE.departures,
    'response_format.json_schema': schemaInPrompt,
    'tool_choice.required': saidInPrompt,
    'tools.function.strict': unknownThere,
    frequency_penalty: unknownThere,
    user: unknownThere,
    top_k: mapped('`top_k`'),
    cache_control: mapped('`cache_control` on text parts, elsewhere dropped'),
    'content.video': mapped('`video_url`'),
  },
};

const ZAI: ProviderTraits = {
  ...COMPATIBLE,
  foreignThoughts: STATE_OF_OTHERS,
  endUserField: 'user_id',
  switchField: 'thinking',
  departures: {
    ...COMPATIBLE.departures,
    'response_format.json_schema': schemaInPrompt,
    'tool_choice.required': saidInPrompt,
    'tool_choice.tool': saidInPrompt,
    'tool_choice.none': emulated('the tools are left out'),
    'tools.function.strict': unknownThere,
    parallel_tool_calls: unknownThere,
    presence_penalty: unknownThere,
    frequency_penalty: unknownThere,
    seed: unknownThere,
    n: changesTheAnswer,
    logprobs: changesTheAnswer,
    'content.audio': changesTheAnswer,
    'content.video': mapped('`video_url`'),
  },
};

const MINIMAX: ProviderTraits = {
  ...COMPATIBLE,
  thoughts: 'reasoning_details',
  switchField: 'thinking',
  effortField: 'none',
  // Thoughts would otherwise stand inside the text, between tags.
  constants: { reasoning_split: true },
  departures: {
    ...COMPATIBLE.departures,
    'response_format.json_schema': emulated('the schema is in the system prompt'),
    'response_format.json_object': emulated('the system prompt asks for JSON'),
    'tool_choice.required': saidInPrompt,
    'tool_choice.tool': saidInPrompt,
    'tool_choice.none': emulated('the tools are left out'),
    'tools.function.strict': unknownThere,
    parallel_tool_calls: unknownThere,
    presence_penalty: unknownThere,
    frequency_penalty: unknownThere,
    seed: unknownThere,
    n: changesTheAnswer,
    logprobs: changesTheAnswer,
    'content.audio': changesTheAnswer,
  },
};

const OPENROUTER: ProviderTraits = {
  ...COMPATIBLE,
  thoughts: 'reasoning_details',
  effortField: 'reasoning.effort',
  switchField: 'reasoning.enabled',
  budgetField: 'reasoning.max_tokens',
  departures: {
    ...openAiOnly,
    top_k: mapped('`top_k`'),
    verbosity: mapped('`verbosity`'),
    cache_control: mapped('`cache_control` on text parts, elsewhere dropped'),
    'content.document.url': mapped('`file.file_data`'),
    'content.video': mapped('`video_url`'),
  },
};

const TENCENT: ProviderTraits = {
  ...COMPATIBLE,
  foreignThoughts: STATE_OF_OTHERS,
  switchField: 'reasoning_effort',
  departures: {
    ...COMPATIBLE.departures,
    'response_format.json_schema': schemaInPrompt,
    'tool_choice.required': saidInPrompt,
    'tools.function.strict': unknownThere,
    parallel_tool_calls: unknownThere,
    n: changesTheAnswer,
    logprobs: changesTheAnswer,
    user: unknownThere,
    'content.audio': changesTheAnswer,
  },
};

const XIAOMI: ProviderTraits = {
  ...COMPATIBLE,
  foreignThoughts: STATE_OF_OTHERS,
  maxTokensField: 'max_completion_tokens',
  developerRole: true,
  switchField: 'thinking',
  effortField: 'none',
  departures: {
    ...COMPATIBLE.departures,
    'response_format.json_schema': schemaInPrompt,
    'tool_choice.required': saidInPrompt,
    'tool_choice.tool': saidInPrompt,
    'tool_choice.none': emulated('the tools are left out'),
    'tools.function.strict': unknownThere,
    parallel_tool_calls: unknownThere,
    seed: unknownThere,
    n: changesTheAnswer,
    logprobs: changesTheAnswer,
    user: unknownThere,
    'content.video': mapped('`video_url`'),
  },
};

const TRAITS: ReadonlyMap<string, ProviderTraits> = new Map([
  ['openai', OPENAI],
  ['azure', OPENAI],
  ['deepseek', DEEPSEEK],
  ['x-ai', XAI],
  ['xai', XAI],
  ['mistral', MISTRAL],
  ['groq', GROQ],
  ['moonshot', MOONSHOT],
  ['qwen', QWEN],
  ['z-ai', ZAI],
  ['zai', ZAI],
  ['minimax', MINIMAX],
  ['openrouter', OPENROUTER],
  ['tencent', TENCENT],
  ['xiaomi', XIAOMI],
]);

/** Traits of a vendor; one that we do not know is taken for an ordinary member of the family. */
export function traitsOf(vendor: string): ProviderTraits {
  return TRAITS.get(vendor.toLowerCase()) ?? COMPATIBLE;
}

/** The rule that holds for a feature at a vendor. */
export function chatLossRule(feature: TurnFeature, vendor: string): LossRule {
  const traits = traitsOf(vendor);
  const rule = traits.departures[feature] ?? ruleOfTraits(feature, traits) ?? CHAT_LOSS_RULES[feature];
  const asData = FEATURE_AS_DATA[feature];
  // What the gateway fetches is sent as data, which this vendor may not take either.
  if (asData === undefined || rule.outcome !== 'emulated') return rule;
  const ofData = chatLossRule(asData, vendor);
  return ofData.outcome === 'refused' ? ofData : rule;
}

const FEATURE_AS_DATA: Readonly<Partial<Record<TurnFeature, TurnFeature>>> = {
  'content.audio.url': 'content.audio',
  'content.document.url': 'content.document',
};

/** Vendors of the family whose traits are known, one name each. */
export const KNOWN_VENDORS: readonly string[] = [
  ...new Map([...TRAITS].map(([name, traits]) => [traits, name])).values(),
];

/** Whether a vendor fetches the URL of a medium; where not, and it takes the bytes, the gateway does. */
export function readsUrl(media: MediaKind, vendor: string): boolean {
  switch (media) {
    case 'image':
    case 'video':
      return traitsOf(vendor).fetchesMedia;
    case 'audio':
      return chatLossRule('content.audio.url', vendor).outcome !== 'emulated';
    case 'document':
      return chatLossRule('content.document.url', vendor).outcome !== 'emulated';
  }
}

/** What follows from where a vendor has a place for reasoning, or none. */
function ruleOfTraits(feature: TurnFeature, traits: ProviderTraits): LossRule | undefined {
  const { switchField, effortField, budgetField, thoughts } = traits;
  switch (feature) {
    case 'reasoning.mode':
      if (switchField === 'none') return unknownThere;
      return switchField === 'reasoning_effort' ? undefined : mapped(`\`${switchField}\``);
    case 'reasoning.off':
      return switchField === 'none' ? unknownThere : mapped(`\`${switchField}\``);
    case 'reasoning.effort': {
      if (effortField !== 'none') return mapped(`\`${effortField}\``);
      if (budgetField !== 'none') return mapped(`\`${budgetField}\``);
      return switchField === 'none' ? unknownThere : mapped(`on or off: \`${switchField}\``);
    }
    case 'reasoning.budget':
      if (budgetField !== 'none') return mapped(`\`${budgetField}\``);
      return effortField === 'none' ? mapped(`on or off: \`${switchField}\``) : undefined;
    case 'reasoning.text':
      if (thoughts === 'none') return undefined;
      return mapped(thoughts === 'thinking_parts' ? '`thinking` parts' : `\`${thoughts}\``);
    default:
      return undefined;
  }
}
