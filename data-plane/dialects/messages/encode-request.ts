import { createHash } from 'node:crypto';
import type { EncodedRequest, ProviderTarget } from '#data-plane/dialects/codec.ts';
import { isJsonObject, objectsOf } from '#data-plane/dialects/json-access.ts';
import { RequestLosses } from '#data-plane/dialects/loss-rule.ts';
import type { ContentWriting } from '#data-plane/dialects/messages/encode-content.ts';
import { type Conversation, encodeConversation } from '#data-plane/dialects/messages/encode-conversation.ts';
import { encodeTools } from '#data-plane/dialects/messages/encode-tools.ts';
import { MESSAGES_LOSS_RULES } from '#data-plane/dialects/messages/loss-rules.ts';
import { enforceableSchema } from '#data-plane/dialects/messages/output-schema.ts';
import { ProviderCallIds } from '#data-plane/dialects/messages/provider-call-ids.ts';
import { controlThinking } from '#data-plane/dialects/messages/thinking-control.ts';
import type { JsonObject, JsonValue, TurnRequest } from '#data-plane/dialects/turn.ts';
import { extraFeatureOf, isTextOnly, type TurnFeature } from '#data-plane/dialects/turn-feature.ts';
import type { Fault } from '#shared/fault.ts';

const PATH = '/v1/messages';
const VERSION_HEADER: readonly string[] = ['anthropic-version', '2023-06-01'];
/** Where neither the client nor the catalog knows a limit; every model takes that many. */
const FALLBACK_MAX_TOKENS = 4_096;
const LONGEST_USER_ID = 256;
const LEAST_TOP_P_WHILE_THINKING = 0.95;

/** The request as the provider wants it; see {@link MESSAGES_LOSS_RULES} for what it cannot say. */
export function encodeRequest(turn: TurnRequest, target: ProviderTarget): EncodedRequest | Fault {
  const losses = new RequestLosses((feature) => MESSAGES_LOSS_RULES[feature], turn.names);
  const writing: ContentWriting = { losses, callIds: new ProviderCallIds(), betas: new Set() };
  const enforcesSchemas = target.capabilities.structuredOutput !== false;
  const conversation = encodeConversation(turn.messages, writing);
  const tools = encodeTools(turn, enforcesSchemas, writing);
  const maxTokens = maxTokensOf(turn, target);
  const forcesCall = tools.tool_choice?.type === 'any' || tools.tool_choice?.type === 'tool';
  const { endsInForeignToolLoop } = conversation;
  const control = controlThinking(turn, target, { maxTokens, forcesCall, endsInForeignToolLoop }, losses);
  const output = encodeFormat(turn, enforcesSchemas, losses);
  const outputConfig = {
    ...(control.effort === undefined ? {} : { effort: control.effort }),
    ...(output.format === undefined ? {} : { format: output.format }),
  };
  const body: JsonObject = {
    model: target.providerModel,
    max_tokens: maxTokens,
    ...tools,
    ...systemOf(conversation, output.instruction),
    ...(control.thinking === undefined ? {} : { thinking: control.thinking }),
    ...(Object.keys(outputConfig).length === 0 ? {} : { output_config: outputConfig }),
    ...encodeSampling(turn, target, control.isActive, losses),
    ...encodeStopSequences(turn, losses),
    ...encodeServiceTier(turn, losses),
    ...encodeUser(turn, losses),
    ...(turn.stream ? { stream: true } : {}),
    ...encodeExtras(turn, writing),
    // Last, so that what the next request adds stands behind all that it shares with this one.
    messages: [...conversation.messages],
  };
  loseTheRest(turn, losses);
  if (losses.refusal !== undefined) return losses.refusal;
  return { body, path: PATH, headers: headersOf(writing), dropped: losses.dropped };
}

function headersOf(writing: ContentWriting): string[] {
  const betas = [...writing.betas].join(',');
  return [...VERSION_HEADER, ...(betas === '' ? [] : ['anthropic-beta', betas])];
}

/** The client's limit, never above the model's; the model's where the client states none. */
function maxTokensOf(turn: TurnRequest, target: ProviderTarget): number {
  const most = target.maxOutputTokens;
  if (turn.maxOutputTokens === undefined) return most ?? FALLBACK_MAX_TOKENS;
  return most === undefined ? turn.maxOutputTokens : Math.min(turn.maxOutputTokens, most);
}

function systemOf(conversation: Conversation, instruction: string | undefined): JsonObject {
  const told = instruction === undefined ? [] : [{ type: 'text', text: instruction }];
  const system = [...conversation.system, ...told];
  return system.length === 0 ? {} : { system };
}

/** A format that the provider enforces, or the instruction that stands in for it. */
function encodeFormat(
  turn: TurnRequest,
  enforcesSchemas: boolean,
  losses: RequestLosses,
): { readonly format?: JsonObject; readonly instruction?: string } {
  const { format } = turn;
  if (format === undefined || format.kind === 'text') return {};
  if (format.kind === 'json_object')
    return { instruction: 'Answer with one JSON object and nothing else: no explanation, no Markdown.' };
  if (format.name !== undefined) losses.admits('response_format.json_schema.name');
  const enforceable = enforcesSchemas ? enforceableSchema(format.schema) : undefined;
  if (enforceable !== undefined) {
    const described =
      format.description === undefined || enforceable.schema.description !== undefined
        ? enforceable.schema
        : { ...enforceable.schema, description: format.description };
    return { format: { type: 'json_schema', schema: described } };
  }
  const about = format.description === undefined ? '' : ` It is: ${format.description}`;
  const rule =
    'Answer with one JSON value that matches this JSON Schema and nothing else: no explanation, no Markdown.';
  return { instruction: `${rule}${about}\n\n${JSON.stringify(format.schema)}` };
}

function encodeSampling(
  turn: TurnRequest,
  target: ProviderTarget,
  isThinking: boolean,
  losses: RequestLosses,
): JsonObject {
  const isFixed = isThinking || target.capabilities.temperature === false;
  const temperature = turn.temperature === undefined ? undefined : Math.min(turn.temperature, 1);
  const sampling: JsonObject = {};
  if (temperature !== undefined && !isFixed) sampling.temperature = temperature;
  const isTemperatureKept = isFixed ? temperature === 1 : temperature === turn.temperature;
  if (turn.temperature !== undefined && !isTemperatureKept) losses.drop('temperature');
  if (turn.topP !== undefined) {
    const isTopPKept = isFixed
      ? target.capabilities.temperature !== false && turn.topP >= LEAST_TOP_P_WHILE_THINKING
      : temperature === undefined;
    if (isTopPKept) sampling.top_p = turn.topP;
    else if (turn.topP !== 1) losses.drop('top_p');
  }
  if (turn.topK !== undefined) {
    if (isFixed) losses.drop('top_k');
    else sampling.top_k = turn.topK;
  }
  return sampling;
}

function encodeStopSequences(turn: TurnRequest, losses: RequestLosses): JsonObject {
  const wanted = turn.stopSequences ?? [];
  const visible = wanted.filter((sequence) => sequence.trim() !== '');
  if (visible.length < wanted.length) losses.drop('stop');
  return visible.length === 0 ? {} : { stop_sequences: visible };
}

const TIERS: Readonly<Record<string, string>> = {
  auto: 'auto',
  default: 'standard_only',
  standard_only: 'standard_only',
};

function encodeServiceTier(turn: TurnRequest, losses: RequestLosses): JsonObject {
  const { serviceTier } = turn;
  if (serviceTier === undefined) return {};
  const tier = Object.hasOwn(TIERS, serviceTier) ? TIERS[serviceTier] : undefined;
  if (tier !== undefined) return { service_tier: tier };
  losses.drop('service_tier');
  return {};
}

function encodeUser(turn: TurnRequest, losses: RequestLosses): JsonObject {
  if (turn.metadata !== undefined && Object.keys(turn.metadata).length > 0) losses.admits('metadata');
  if (turn.endUser === undefined) return {};
  // A digest tells users apart as well.
  const isShort = turn.endUser.length <= LONGEST_USER_ID;
  return {
    metadata: { user_id: isShort ? turn.endUser : createHash('sha256').update(turn.endUser).digest('hex') },
  };
}

const CONTEXT_MANAGEMENT_BETA = 'context-management-2025-06-27';

function encodeExtras(turn: TurnRequest, writing: ContentWriting): JsonObject {
  const carried: JsonObject = {};
  for (const [name, value] of Object.entries(turn.extras)) {
    const feature = extraFeatureOf(name, value);
    if (feature === 'extras.modalities' && isTextOnly(value)) continue;
    if (!isUnderstood(feature, value)) writing.losses.dropField(name);
    else if (writing.losses.admitsField(feature, name)) {
      carried[name] = value;
      if (feature === 'extras.context_management') writing.betas.add(CONTEXT_MANAGEMENT_BETA);
    }
  }
  return carried;
}

function isUnderstood(feature: TurnFeature, value: JsonValue): boolean {
  if (feature === 'extras.automatic_caching') return isJsonObject(value) && value.type === 'ephemeral';
  if (feature !== 'extras.context_management') return true;
  // Compaction is charged beside the usage of the answer, where no other dialect looks.
  return (
    isJsonObject(value) &&
    Array.isArray(value.edits) &&
    objectsOf(value.edits).every((edit) => !String(edit.type).startsWith('compact'))
  );
}

/** Features without any place here, asked for with more than their neutral value. */
function loseTheRest(turn: TurnRequest, losses: RequestLosses): void {
  const wishes: readonly (readonly [TurnFeature, boolean])[] = [
    ['presence_penalty', (turn.presencePenalty ?? 0) !== 0],
    ['frequency_penalty', (turn.frequencyPenalty ?? 0) !== 0],
    ['seed', turn.seed !== undefined],
    ['n', (turn.choiceCount ?? 1) > 1],
    ['logprobs', turn.logprobs !== undefined],
    ['verbosity', turn.verbosity !== undefined],
    ['prompt_cache_key', turn.promptCacheKey !== undefined],
  ];
  for (const [feature, isWanted] of wishes) if (isWanted) losses.admits(feature);
}
