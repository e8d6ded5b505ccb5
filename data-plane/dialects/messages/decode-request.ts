import { clientNames } from '#data-plane/dialects/client-names.ts';
import { isJsonObject } from '#data-plane/dialects/json-access.ts';
import { MESSAGES_CLIENT_FIELDS } from '#data-plane/dialects/messages/client-fields.ts';
import { decodeContent, type MessageRole } from '#data-plane/dialects/messages/decode-content.ts';
import { decodeToolChoice, decodeTools } from '#data-plane/dialects/messages/decode-tools.ts';
import { RequestReading } from '#data-plane/dialects/messages/request-reading.ts';
import type {
  JsonObject,
  JsonValue,
  OutputFormat,
  ReasoningRequest,
  TurnMessage,
  TurnRequest,
} from '#data-plane/dialects/turn.ts';
import { fieldTree, unmodelledFields } from '#data-plane/dialects/unmodelled-fields.ts';
import type { Fault } from '#shared/fault.ts';

const FIELDS = fieldTree(MESSAGES_CLIENT_FIELDS);
const ROLES: readonly string[] = ['user', 'assistant', 'system'];

/** The turn that a body of `POST /v1/messages` asks for. */
export function decodeRequest(body: JsonObject): TurnRequest | Fault {
  return decode(body, true);
}

/** The turn whose tokens a body of `POST /v1/messages/count_tokens` wants counted: the same without `max_tokens`. */
export function decodeCountRequest(body: JsonObject): TurnRequest | Fault {
  return decode(body, false);
}

function decode(body: JsonObject, maxTokensRequired: boolean): TurnRequest | Fault {
  const reading = new RequestReading();
  if (body.thread !== undefined && body.thread !== null) {
    // The SDK then sends the whole history; ignored, its next request would hold the new messages alone.
    reading.refuse('unsupported_parameter', 'thread', 'Threads are not supported: send the full history.');
  }
  const maxOutputTokens = reading.integer(body, 'max_tokens', '', 1);
  if (maxTokensRequired && maxOutputTokens === undefined)
    reading.invalid('max_tokens', 'is required and must be an integer.');
  const turn: TurnRequest = {
    stream: reading.flag(body, 'stream', '') ?? false,
    messages: [...decodeSystem(reading, body.system), ...decodeMessages(reading, body)],
    tools: decodeTools(reading, body),
    ...decodeToolChoice(reading, body),
    ...defined('maxOutputTokens', maxOutputTokens),
    ...decodeStopSequences(reading, body),
    ...defined('temperature', reading.number(body, 'temperature', '')),
    ...defined('topP', reading.number(body, 'top_p', '')),
    ...defined('topK', reading.integer(body, 'top_k', '', 0)),
    ...defined('format', decodeFormat(reading, body)),
    ...defined('reasoning', decodeReasoning(reading, body)),
    ...defined('serviceTier', reading.text(body, 'service_tier', '')),
    ...decodeMetadata(reading, body),
    extras: {},
  };
  if (reading.problem !== undefined) return reading.problem;
  return { ...turn, extras: extrasOf(body, reading), names: clientNames(MESSAGES_CLIENT_FIELDS, body) };
}

/** A property that is there only when its value is. */
function defined<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { readonly [key in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [key in Name]?: Value });
}

function decodeSystem(reading: RequestReading, system: JsonValue | undefined): TurnMessage[] {
  if (system === undefined || system === null || system === '') return [];
  const parts = decodeContent(reading, system, 'system', 'system');
  return parts.length === 0 ? [] : [{ role: 'system', parts, at: 'system' }];
}

function decodeMessages(reading: RequestReading, body: JsonObject): TurnMessage[] {
  const list = reading.list(body, 'messages', '');
  if (list.length === 0) reading.invalid('messages', 'is required and must hold at least one message.');
  return list.flatMap((value, index): TurnMessage[] => {
    const path = `messages[${index}]`;
    const message = reading.asObject(value, path);
    if (message === undefined) return [];
    const { role } = message;
    if (!isRole(role)) {
      const rule = `'${path}.role' must be one of ${ROLES.join(', ')}.`;
      reading.refuse('unsupported_message_role', `${path}.role`, rule);
      return [];
    }
    return [{ role, parts: decodeContent(reading, message.content, role, `${path}.content`), at: path }];
  });
}

function isRole(role: JsonValue | undefined): role is MessageRole {
  return typeof role === 'string' && ROLES.includes(role);
}

function decodeStopSequences(
  reading: RequestReading,
  body: JsonObject,
): { readonly stopSequences?: readonly string[] } {
  const list = reading.list(body, 'stop_sequences', '');
  const stopSequences = list.filter((value): value is string => typeof value === 'string');
  if (stopSequences.length < list.length) reading.invalid('stop_sequences', 'must be an array of strings.');
  return stopSequences.length === 0 ? {} : { stopSequences };
}

/** `output_format` is the older name of `output_config.format`. */
function decodeFormat(reading: RequestReading, body: JsonObject): OutputFormat | undefined {
  const config = reading.object(body, 'output_config', '');
  const newer = config === undefined ? undefined : reading.object(config, 'format', 'output_config');
  const format = newer ?? reading.object(body, 'output_format', '');
  if (format === undefined) return undefined;
  const path = newer === undefined ? 'output_format' : 'output_config.format';
  if (format.type !== 'json_schema') {
    reading.invalid(`${path}.type`, "must be 'json_schema'.");
    return undefined;
  }
  const schema = reading.asObject(format.schema, `${path}.schema`);
  return schema === undefined ? undefined : { kind: 'json_schema', schema, strict: true };
}

function decodeReasoning(reading: RequestReading, body: JsonObject): ReasoningRequest | undefined {
  const config = isJsonObject(body.output_config) ? body.output_config : {};
  const effort = reading.text(config, 'effort', 'output_config');
  const thinking = reading.object(body, 'thinking', '');
  if (thinking === undefined) return effort === undefined ? undefined : { effort };
  // Shown unless the client says otherwise: that is what asking for thinking means in this dialect.
  const summary = {
    summary: reading.text(thinking, 'display', 'thinking') === 'omitted' ? 'none' : 'auto',
  };
  const wanted = { ...defined('effort', effort), ...summary };
  switch (thinking.type) {
    case 'enabled': {
      const budgetTokens = reading.integer(thinking, 'budget_tokens', 'thinking', 1);
      if (budgetTokens === undefined)
        reading.invalid('thinking.budget_tokens', 'is required and must be an integer.');
      return { mode: 'enabled', ...defined('budgetTokens', budgetTokens), ...wanted };
    }
    case 'adaptive':
      return { mode: 'adaptive', ...wanted };
    case 'between_tools':
      reading.unmodelled.add('thinking.type');
      return { mode: 'adaptive', ...wanted };
    case 'disabled':
      // Effort without thinking is about the length of the answer, which other protocols do not tell apart.
      if (effort !== undefined) reading.unmodelled.add('output_config.effort');
      return { mode: 'disabled' };
    default:
      reading.invalid('thinking.type', "must be 'enabled', 'adaptive', 'between_tools' or 'disabled'.");
      return undefined;
  }
}

function decodeMetadata(
  reading: RequestReading,
  body: JsonObject,
): { readonly endUser?: string; readonly metadata?: JsonObject } {
  const metadata = reading.object(body, 'metadata', '');
  if (metadata === undefined) return {};
  const { user_id: _, ...rest } = metadata;
  return {
    ...defined('endUser', reading.text(metadata, 'user_id', 'metadata')),
    ...(Object.keys(rest).length === 0 ? {} : { metadata: rest }),
  };
}

/** What the turn has no word for, and what a reader found that it cannot tell apart. */
function extrasOf(body: JsonObject, reading: RequestReading): Record<string, JsonValue> {
  const extras = unmodelledFields(FIELDS, body);
  for (const name of reading.unmodelled) extras[name] ??= true;
  return extras;
}
