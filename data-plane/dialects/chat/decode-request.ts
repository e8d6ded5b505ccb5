import { clientNames } from '#data-plane/dialects/client-names.ts';
import {
  countOf,
  filledText,
  isJsonObject,
  listOf,
  objectOf,
  textOf,
} from '#data-plane/dialects/json-access.ts';
import type {
  JsonObject,
  JsonValue,
  OutputFormat,
  ReasoningRequest,
  TurnRequest,
} from '#data-plane/dialects/turn.ts';
import { fieldTree, unmodelledFields } from '#data-plane/dialects/unmodelled-fields.ts';
import { type Fault, isFault } from '#shared/fault.ts';
import { CHAT_CLIENT_FIELDS } from './client-fields.ts';
import { decodeMessages } from './decode-messages.ts';
import { decodeTools } from './decode-tools.ts';
import { RequestFields } from './request-fields.ts';

const EFFORTS: ReadonlySet<string> = new Set(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']);
const MAX_CHOICES = 128;

const FIELDS = fieldTree(CHAT_CLIENT_FIELDS);

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type Draft = Mutable<Omit<TurnRequest, 'messages' | 'tools' | 'extras' | 'stream' | 'names'>>;

/** Reads a chat request into a turn, or says which field is not what the documentation asks for. */
export function decodeChatRequest(body: JsonObject): TurnRequest | Fault {
  const fields = new RequestFields(body);
  const stream = fields.flag('stream') ?? false;
  const draft: Draft = {};
  readLimits(fields, draft);
  readSampling(fields, draft);
  readAccount(fields, draft);
  const { tools, toolChoice } = decodeTools(fields);
  const format = readFormat(fields);
  const reasoning = readReasoning(fields);
  const decoded = decodeMessages(body.messages);
  if (isFault(decoded)) return decoded;
  if (fields.failure !== undefined) return fields.failure;
  if (toolChoice !== undefined) draft.toolChoice = toolChoice;
  if (format !== undefined) draft.format = format;
  if (reasoning !== undefined) draft.reasoning = reasoning;
  const extras = unmodelledFields(FIELDS, body);
  return { ...draft, stream, messages: decoded, tools, extras, names: clientNames(CHAT_CLIENT_FIELDS, body) };
}

/** Sets a field only where the client gave it: absent and undefined are not the same in a turn. */
function set<Name extends keyof Draft>(draft: Draft, name: Name, value: Draft[Name] | undefined): void {
  if (value !== undefined) draft[name] = value;
}

function readLimits(fields: RequestFields, draft: Draft): void {
  const legacyLimit = fields.count('max_tokens', 1);
  set(draft, 'maxOutputTokens', fields.count('max_completion_tokens', 1) ?? legacyLimit);
  set(draft, 'choiceCount', fields.count('n', 1, MAX_CHOICES));
  set(draft, 'stopSequences', readStop(fields));
  const top = fields.count('top_logprobs', 0);
  if (fields.flag('logprobs') === true) draft.logprobs = { top: top ?? 0 };
  fields.object('stream_options');
}

function readStop(fields: RequestFields): readonly string[] | undefined {
  const stop = fields.value('stop');
  if (stop === undefined) return undefined;
  const list = typeof stop === 'string' ? [stop] : stop;
  const isList = Array.isArray(list) && list.every((item) => typeof item === 'string');
  return isList ? list : fields.fail('stop', 'must be a string or an array of strings.');
}

function readSampling(fields: RequestFields, draft: Draft): void {
  set(draft, 'temperature', fields.number('temperature'));
  set(draft, 'topP', fields.number('top_p'));
  set(draft, 'topK', fields.number('top_k'));
  set(draft, 'presencePenalty', fields.number('presence_penalty'));
  set(draft, 'frequencyPenalty', fields.number('frequency_penalty'));
  set(draft, 'seed', fields.number('seed'));
  set(draft, 'parallelToolCalls', fields.flag('parallel_tool_calls'));
  set(draft, 'verbosity', fields.text('verbosity'));
}

function readAccount(fields: RequestFields, draft: Draft): void {
  set(draft, 'serviceTier', fields.text('service_tier'));
  const user = fields.text('user');
  set(draft, 'endUser', fields.text('safety_identifier') || user || undefined);
  set(draft, 'metadata', fields.object('metadata'));
  set(draft, 'promptCacheKey', fields.text('prompt_cache_key'));
}

function readFormat(fields: RequestFields): OutputFormat | undefined {
  const format = fields.object('response_format');
  if (format === undefined) return undefined;
  switch (format.type) {
    case 'text':
      return { kind: 'text' };
    case 'json_object':
      return { kind: 'json_object' };
    case 'json_schema':
      return readSchema(fields, objectOf(format.json_schema) ?? {});
    default:
      return fields.fail('response_format.type', "must be 'text', 'json_object' or 'json_schema'.");
  }
}

function readSchema(fields: RequestFields, declared: JsonObject): OutputFormat | undefined {
  const { schema, strict } = declared;
  if (!isJsonObject(schema)) return fields.fail('response_format.json_schema.schema', 'is required.');
  const name = filledText(declared.name);
  const description = filledText(declared.description);
  return {
    kind: 'json_schema',
    schema,
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...(typeof strict === 'boolean' ? { strict } : {}),
  };
}

/** `reasoning_effort`, or one of the controls that clients of the compatible family send. */
function readReasoning(fields: RequestFields): ReasoningRequest | undefined {
  const shape = fields.object('reasoning');
  const thinking = fields.object('thinking');
  const enabled = fields.flag('enable_thinking') ?? asFlag(shape?.enabled);
  const effort = fields.text('reasoning_effort') ?? filledText(shape?.effort);
  if (effort !== undefined && !EFFORTS.has(effort))
    return fields.fail('reasoning_effort', `must be one of ${[...EFFORTS].join(', ')}.`);
  const budgetTokens =
    fields.count('thinking_budget', 0) ?? countOf(thinking?.budget_tokens) ?? countOf(shape?.max_tokens);
  const mode = modeOf(textOf(thinking?.type), enabled);
  const summary = filledText(shape?.summary);
  const request: ReasoningRequest = {
    ...(effort === undefined ? {} : { effort }),
    ...(budgetTokens === undefined ? {} : { budgetTokens }),
    ...(mode === undefined ? {} : { mode }),
    ...(summary === undefined ? {} : { summary }),
  };
  return Object.keys(request).length === 0 ? undefined : request;
}

function modeOf(thinkingType: string | undefined, enabled: boolean | undefined): ReasoningRequest['mode'] {
  if (thinkingType === 'enabled' || thinkingType === 'disabled' || thinkingType === 'adaptive')
    return thinkingType;
  if (enabled === undefined) return undefined;
  return enabled ? 'enabled' : 'disabled';
}

function asFlag(value: JsonValue | undefined): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined;
}

/** Whether the client wants the chunk with the usage. */
export function wantsUsageChunk(body: JsonObject): boolean {
  return objectOf(body.stream_options)?.include_usage === true;
}

/** Whether the client speaks of functions in the way from before tools, and expects its answer so. */
export function speaksLegacyFunctions(body: JsonObject): boolean {
  return listOf(body.functions).length > 0 && listOf(body.tools).length === 0;
}
