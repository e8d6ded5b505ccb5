import type { AnswerIdentity } from '#data-plane/dialects/codec.ts';
import {
  countOf,
  filledText,
  isJsonObject,
  listOf,
  objectOf,
  textOf,
} from '#data-plane/dialects/json-access.ts';
import type { JsonObject, JsonValue, TurnUsage } from '#data-plane/dialects/turn.ts';
import { promptTokens } from '#shared/token-usage.ts';
import { ID_PREFIXES, SERVICE_TIERS } from './wire.ts';

/** How far an answer has come; decides the members of the response object that change. */
export interface ResponseState {
  readonly status: 'in_progress' | 'completed' | 'incomplete' | 'failed';
  readonly output: readonly JsonObject[];
  readonly usage: TurnUsage | undefined;
  readonly incompleteReason: string | undefined;
  readonly error: { readonly code: string; readonly message: string } | undefined;
}

/** The response object: what happened, and the request's own fields echoed with their defaults. */
export function responseObject(answer: AnswerIdentity, state: ResponseState): JsonObject {
  const { body } = answer;
  return {
    id: `${ID_PREFIXES.response}${answer.idSeed}`,
    object: 'response',
    created_at: answer.createdAt,
    // There is no clock here, and the schema allows not to say it.
    completed_at: null,
    status: state.status,
    background: false,
    error: state.error === undefined ? null : { ...state.error },
    incomplete_details: state.incompleteReason === undefined ? null : { reason: state.incompleteReason },
    instructions: textOf(body.instructions) ?? null,
    max_output_tokens: countOf(body.max_output_tokens) ?? null,
    max_tool_calls: countOf(body.max_tool_calls) ?? null,
    model: answer.model,
    output: [...state.output],
    parallel_tool_calls: body.parallel_tool_calls !== false,
    previous_response_id: null,
    presence_penalty: numberOf(body.presence_penalty) ?? 0,
    frequency_penalty: numberOf(body.frequency_penalty) ?? 0,
    prompt_cache_key: textOf(body.prompt_cache_key) ?? null,
    reasoning: echoReasoning(body),
    safety_identifier: textOf(body.safety_identifier) ?? null,
    service_tier: serviceTier(state.usage, body),
    store: false,
    temperature: numberOf(body.temperature) ?? 1,
    text: echoText(body),
    tool_choice: echoToolChoice(body.tool_choice),
    tools: listOf(body.tools).filter(isJsonObject).map(echoTool),
    top_logprobs: countOf(body.top_logprobs) ?? 0,
    top_p: numberOf(body.top_p) ?? 1,
    truncation: body.truncation === 'auto' ? 'auto' : 'disabled',
    // The two published schemas agree only on counts: one forbids null here, the other requires the member.
    usage: usageObject(state.usage),
    ...(typeof body.user === 'string' ? { user: body.user } : {}),
    metadata: objectOf(body.metadata) ?? {},
  };
}

/** Token counts in the convention of this dialect: the input includes what came from or went to the cache. */
function usageObject(usage: TurnUsage | undefined): JsonObject {
  const input = usage === undefined ? 0 : promptTokens(usage);
  const output = usage?.output ?? 0;
  return {
    input_tokens: input,
    input_tokens_details: {
      cached_tokens: usage?.cacheRead ?? 0,
      cache_write_tokens: (usage?.cacheWrite5m ?? 0) + (usage?.cacheWrite1h ?? 0),
    },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: usage?.reasoning ?? 0 },
    total_tokens: input + output,
  };
}

function serviceTier(usage: TurnUsage | undefined, body: JsonObject): string {
  const used = usage?.serviceTier;
  if (used !== undefined) return SERVICE_TIERS.has(used) ? used : 'default';
  const asked = textOf(body.service_tier);
  return asked !== undefined && SERVICE_TIERS.has(asked) ? asked : 'default';
}

function echoReasoning(body: JsonObject): JsonObject {
  const reasoning = objectOf(body.reasoning);
  return {
    effort: textOf(reasoning?.effort) ?? null,
    summary: textOf(reasoning?.summary) ?? textOf(reasoning?.generate_summary) ?? null,
  };
}

function echoText(body: JsonObject): JsonObject {
  const text = objectOf(body.text);
  const format = objectOf(text?.format);
  const verbosity = filledText(text?.verbosity);
  return {
    format: format === undefined ? { type: 'text' } : echoFormat(format),
    ...(verbosity === undefined ? {} : { verbosity }),
  };
}

function echoFormat(format: JsonObject): JsonObject {
  if (format.type !== 'json_schema') return { type: format.type ?? 'text' };
  return {
    type: 'json_schema',
    name: textOf(format.name) ?? 'response',
    ...(typeof format.description === 'string' ? { description: format.description } : {}),
    schema: format.schema ?? {},
    strict: format.strict === true,
  };
}

function echoToolChoice(choice: JsonValue | undefined): JsonValue {
  return typeof choice === 'string' || isJsonObject(choice) ? choice : 'auto';
}

/** A function tool with the members that its schema requires. */
function echoTool(tool: JsonObject): JsonObject {
  if (tool.type === 'namespace')
    return {
      description: '',
      ...tool,
      tools: listOf(tool.tools).filter(isJsonObject).map(echoTool),
    };
  if (tool.type !== 'function') return tool;
  const { function: nested, ...flat } = tool;
  const declared = isJsonObject(nested) && flat.name === undefined ? { ...flat, ...nested } : flat;
  return { description: null, parameters: null, strict: null, ...declared };
}

function numberOf(value: JsonValue | undefined): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
