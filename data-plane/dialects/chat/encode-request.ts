import { createHash } from 'node:crypto';
import type { EncodedRequest, ProviderTarget } from '#data-plane/dialects/codec.ts';
import { RequestLosses } from '#data-plane/dialects/loss-rule.ts';
import type { JsonObject, JsonValue, TurnRequest } from '#data-plane/dialects/turn.ts';
import { extraFeatureOf, isTextOnly, type TurnFeature } from '#data-plane/dialects/turn-feature.ts';
import type { Fault } from '#shared/fault.ts';
import { encodeMessages } from './encode-messages.ts';
import { reasoningFields } from './encode-reasoning.ts';
import { toolFields } from './encode-tools.ts';
import { chatLossRule, type ProviderTraits, traitsOf } from './provider-traits.ts';
import { SERVICE_TIERS } from './wire.ts';

/** Writes a turn as a request of the chat family, in the way that the target's vendor reads it. */
export function encodeChatRequest(turn: TurnRequest, target: ProviderTarget): EncodedRequest | Fault {
  const traits = traitsOf(target.vendor);
  const losses = new RequestLosses((feature) => chatLossRule(feature, target.vendor), turn.names);
  const tools = toolFields(turn, traits, losses);
  const format = formatFields(turn, target, losses);
  const instructions = [format.instruction, tools.instruction].filter((text) => text !== undefined);
  const body: JsonObject = {
    model: target.providerModel,
    ...streamFields(turn, traits),
    ...samplingFields(turn, target, traits, losses),
    ...tools.fields,
    ...format.fields,
    ...reasoningFields(turn.reasoning, target, traits, losses),
    ...accountFields(turn, traits, losses),
    ...extraFields(turn, losses),
    ...traits.constants,
    // Last, so that what the next request adds stands behind all that it shares with this one.
    messages: encodeMessages(turn.messages, { traits, losses, instructions }),
  };
  if (losses.refusal !== undefined) return losses.refusal;
  return { body, path: '/chat/completions', headers: [], dropped: losses.dropped };
}

function streamFields(turn: TurnRequest, traits: ProviderTraits): JsonObject {
  if (!turn.stream) return {};
  return traits.streamOptions ? { stream: true, stream_options: { include_usage: true } } : { stream: true };
}

function samplingFields(
  turn: TurnRequest,
  target: ProviderTarget,
  traits: ProviderTraits,
  losses: RequestLosses,
): JsonObject {
  const fields: JsonObject = {};
  const put = (feature: TurnFeature, name: string, value: JsonValue | undefined) => {
    if (value !== undefined && losses.admits(feature)) fields[name] = value;
  };
  put('max_tokens', traits.maxTokensField, turn.maxOutputTokens);
  const takesSampling = target.capabilities.temperature !== false;
  for (const [name, value] of [
    ['temperature', turn.temperature],
    ['top_p', turn.topP],
  ] as const) {
    if (takesSampling) put(name, name, value);
    else if (value !== undefined && value !== DEFAULT_SAMPLING) losses.drop(name);
  }
  put('top_k', 'top_k', turn.topK);
  put('presence_penalty', 'presence_penalty', unlessNeutral(turn.presencePenalty, 0));
  put('frequency_penalty', 'frequency_penalty', unlessNeutral(turn.frequencyPenalty, 0));
  put('seed', traits.seedField, turn.seed);
  put('stop', 'stop', nonEmpty(turn.stopSequences));
  put('n', 'n', unlessNeutral(turn.choiceCount, 1));
  if (turn.logprobs !== undefined && losses.admits('logprobs')) {
    fields.logprobs = true;
    if (turn.logprobs.top > 0) fields.top_logprobs = turn.logprobs.top;
  }
  return fields;
}

function accountFields(turn: TurnRequest, traits: ProviderTraits, losses: RequestLosses): JsonObject {
  const fields: JsonObject = {};
  const put = (feature: TurnFeature, name: string, value: JsonValue | undefined) => {
    if (value !== undefined && losses.admits(feature)) fields[name] = value;
  };
  put('verbosity', 'verbosity', turn.verbosity);
  const tier = turn.serviceTier === 'standard_only' ? 'default' : turn.serviceTier;
  if (tier === undefined || SERVICE_TIERS.has(tier)) put('service_tier', 'service_tier', tier);
  else losses.drop('service_tier');
  put('user', traits.endUserField, shortId(turn.endUser));
  // OpenAI keeps metadata with stored answers only, and refuses it without `store`.
  if (turn.extras.store === true) put('metadata', 'metadata', turn.metadata);
  else if (turn.metadata !== undefined) losses.drop('metadata');
  put('prompt_cache_key', 'prompt_cache_key', shortId(turn.promptCacheKey));
  return fields;
}

/** Ids of users and caches may have 64 characters; a digest in the place of a longer one tells them apart as well. */
function shortId(id: string | undefined): string | undefined {
  if (id === undefined || id.length <= LONGEST_ID) return id;
  return createHash('sha256').update(id).digest('hex');
}

const LONGEST_ID = 64;
/** What every model does when it is told nothing. */
const DEFAULT_SAMPLING = 1;

interface FormatFields {
  readonly fields: JsonObject;
  /** What the system prompt has to say in place of a field. */
  readonly instruction?: string;
}

function formatFields(turn: TurnRequest, target: ProviderTarget, losses: RequestLosses): FormatFields {
  const { format } = turn;
  if (format === undefined || format.kind === 'text') return { fields: {} };
  const takesJsonMode = losses.outcomeOf('response_format.json_object') !== 'emulated';
  const jsonMode: JsonObject = takesJsonMode ? { response_format: { type: 'json_object' } } : {};
  if (format.kind === 'json_object') {
    return takesJsonMode
      ? { fields: jsonMode }
      : { fields: {}, instruction: 'Answer with one JSON object and nothing else.' };
  }
  const takesSchema = target.capabilities.structuredOutput !== false;
  if (!takesSchema || losses.outcomeOf('response_format.json_schema') === 'emulated') {
    return { fields: jsonMode, instruction: schemaInstruction(format.schema) };
  }
  const schema: JsonObject = { name: format.name ?? 'answer', schema: format.schema };
  if (format.description !== undefined) schema.description = format.description;
  if (format.strict !== undefined) schema.strict = format.strict;
  return { fields: { response_format: { type: 'json_schema', json_schema: schema } } };
}

function schemaInstruction(schema: JsonObject): string {
  return `Answer with one JSON object and nothing else. It must match this JSON Schema:\n${JSON.stringify(schema)}`;
}

function extraFields(turn: TurnRequest, losses: RequestLosses): JsonObject {
  const fields: JsonObject = {};
  for (const [name, value] of Object.entries(turn.extras)) {
    const feature = extraFeatureOf(name, value);
    if (feature === 'extras.modalities' && isTextOnly(value)) continue;
    if (losses.admitsField(feature, name)) fields[name] = value;
  }
  return fields;
}

function unlessNeutral(value: number | undefined, neutral: number): number | undefined {
  return value === neutral ? undefined : value;
}

function nonEmpty(list: readonly string[] | undefined): JsonValue | undefined {
  return list === undefined || list.length === 0 ? undefined : [...list];
}
