import type { EncodedRequest, ProviderTarget } from '#data-plane/dialects/codec.ts';
import { RequestLosses } from '#data-plane/dialects/loss-rule.ts';
import type {
  JsonObject,
  JsonValue,
  OutputFormat,
  TurnMessage,
  TurnRequest,
} from '#data-plane/dialects/turn.ts';
import { extraFeatureOf, isTextOnly, type TurnFeature } from '#data-plane/dialects/turn-feature.ts';
import type { Fault } from '#shared/fault.ts';
import { encodeInput, shortId } from './encode-input.ts';
import { encodeReasoning } from './encode-reasoning.ts';
import { encodeTools } from './encode-tools.ts';
import { RESPONSES_LOSS_RULES } from './loss-rules.ts';
import { INCLUDE_ENCRYPTED_REASONING, INCLUDE_LOGPROBS, SERVICE_TIERS } from './wire.ts';

const LEAST_OUTPUT_TOKENS = 16;
const MAX_METADATA_MEMBERS = 16;
const MAX_METADATA_LENGTH = 512;
const REASONING_MEMBER = 'reasoning.';
const DEFAULT_SCHEMA_NAME = 'response';

/** Writes a turn as the body of `POST /responses`. Nothing is stored there; reasoning comes back encrypted. */
export function encodeRequest(turn: TurnRequest, target: ProviderTarget): EncodedRequest | Fault {
  const losses = new RequestLosses((feature) => RESPONSES_LOSS_RULES[feature], turn.names);
  const instructions = leadingInstructions(turn.messages);
  const conversation = instructions === undefined ? turn.messages : turn.messages.slice(1);
  const firstPosition = turn.messages.length - conversation.length;
  const [prompt] = instructions === undefined ? [] : (turn.messages[0]?.parts ?? []);
  if (prompt !== undefined && 'cache' in prompt && prompt.cache !== undefined) losses.dropMark(prompt.cache);
  const extras = encodeExtras(turn, losses);
  const reasoning = encodeReasoning(turn.reasoning, target, losses);
  const ownReasoning = { ...reasoning, ...extras.reasoning };
  const body: JsonObject = {
    model: target.providerModel,
    ...(instructions === undefined ? {} : { instructions }),
    stream: turn.stream,
    store: false,
    ...extras.fields,
    ...encodeTools(turn, losses),
    ...encodeSampling(turn, target, losses),
    ...(Object.keys(ownReasoning).length === 0 ? {} : { reasoning: ownReasoning }),
    ...encodeText(turn),
    ...encodeAccount(turn, losses),
  };
  const include = includeList(turn, target, body.include);
  if (include.length > 0) body.include = include;
  // Last, so that what the next request adds stands behind all that it shares with this one.
  body.input = encodeInput(conversation, firstPosition, turn.tools, losses);
  if (losses.refusal !== undefined) return losses.refusal;
  return { body, path: '/responses', headers: [], dropped: losses.dropped };
}

/** A system prompt of one text in front is what `instructions` are; anything else stays where it is in the input. */
function leadingInstructions(messages: readonly TurnMessage[]): string | undefined {
  const first = messages[0];
  const part = first?.parts[0];
  if (first?.role !== 'system' || first.parts.length !== 1 || first.name !== undefined) return undefined;
  return part?.kind === 'text' && messages.length > 1 ? part.text : undefined;
}

function encodeSampling(turn: TurnRequest, target: ProviderTarget, losses: RequestLosses): JsonObject {
  const fields: JsonObject = {};
  const takesSampling = target.capabilities.temperature !== false;
  const sample = (name: 'temperature' | 'top_p', value: number | undefined): void => {
    if (value === undefined) return;
    if (takesSampling) fields[name] = value;
    else if (value !== 1) losses.drop(name);
  };
  const lose = (feature: TurnFeature, value: unknown, neutral?: unknown): void => {
    if (value !== undefined && value !== neutral) losses.admits(feature);
  };
  sample('temperature', turn.temperature);
  sample('top_p', turn.topP);
  lose('top_k', turn.topK);
  lose('presence_penalty', turn.presencePenalty, 0);
  lose('frequency_penalty', turn.frequencyPenalty, 0);
  lose('seed', turn.seed);
  lose('n', turn.choiceCount, 1);
  if ((turn.stopSequences?.length ?? 0) > 0) losses.admits('stop');
  if (turn.maxOutputTokens !== undefined)
    fields.max_output_tokens = Math.max(turn.maxOutputTokens, LEAST_OUTPUT_TOKENS);
  if (turn.logprobs !== undefined && turn.logprobs.top > 0) fields.top_logprobs = turn.logprobs.top;
  return fields;
}

function encodeText(turn: TurnRequest): JsonObject {
  const format = encodeFormat(turn.format);
  const text = {
    ...(format === undefined ? {} : { format }),
    ...(turn.verbosity === undefined ? {} : { verbosity: turn.verbosity }),
  };
  return Object.keys(text).length === 0 ? {} : { text };
}

function encodeFormat(format: OutputFormat | undefined): JsonObject | undefined {
  if (format === undefined || format.kind === 'text') return undefined;
  if (format.kind === 'json_object') return { type: 'json_object' };
  return {
    type: 'json_schema',
    name: format.name ?? DEFAULT_SCHEMA_NAME,
    ...(format.description === undefined ? {} : { description: format.description }),
    schema: format.schema,
    ...(format.strict === undefined ? {} : { strict: format.strict }),
  };
}

function encodeAccount(turn: TurnRequest, losses: RequestLosses): JsonObject {
  const fields: JsonObject = {};
  const tier = turn.serviceTier === 'standard_only' ? 'default' : turn.serviceTier;
  if (tier !== undefined) {
    if (SERVICE_TIERS.has(tier)) fields.service_tier = tier;
    else losses.drop('service_tier');
  }
  if (turn.endUser !== undefined) fields.safety_identifier = shortId(turn.endUser);
  if (turn.promptCacheKey !== undefined) fields.prompt_cache_key = shortId(turn.promptCacheKey);
  if (turn.metadata !== undefined) {
    const members = Object.entries(turn.metadata).filter(
      ([, value]) => typeof value === 'string' && value.length <= MAX_METADATA_LENGTH,
    );
    const kept = members.slice(0, MAX_METADATA_MEMBERS);
    if (kept.length < Object.keys(turn.metadata).length) losses.drop('metadata');
    if (kept.length > 0) fields.metadata = Object.fromEntries(kept);
  }
  return fields;
}

interface OwnExtras {
  readonly fields: JsonObject;
  /** Members of `reasoning`. */
  readonly reasoning: JsonObject;
}

function encodeExtras(turn: TurnRequest, losses: RequestLosses): OwnExtras {
  const fields: JsonObject = {};
  const reasoning: JsonObject = {};
  for (const [name, value] of Object.entries(turn.extras)) {
    const feature = extraFeatureOf(name, value);
    // The tools say it.
    if (feature === 'extras.web_search_options') continue;
    if (feature === 'extras.modalities' && isTextOnly(value)) continue;
    if (!losses.admitsField(feature, name)) continue;
    if (name.startsWith(REASONING_MEMBER)) reasoning[name.slice(REASONING_MEMBER.length)] = value;
    else fields[name] = value;
  }
  return { fields, reasoning };
}

function includeList(turn: TurnRequest, target: ProviderTarget, asked: JsonValue | undefined): JsonValue[] {
  const include: JsonValue[] = Array.isArray(asked) ? [...asked] : [];
  // A model that does not reason refuses to encrypt its reasoning.
  if (target.capabilities.reasoning !== false) include.push(INCLUDE_ENCRYPTED_REASONING);
  if (turn.logprobs !== undefined) include.push(INCLUDE_LOGPROBS);
  return include;
}
