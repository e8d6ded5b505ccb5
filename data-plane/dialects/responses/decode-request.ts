import { clientNames } from '#data-plane/dialects/client-names.ts';
import { filledText, textOf } from '#data-plane/dialects/json-access.ts';
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
import { RESPONSES_CLIENT_FIELDS } from './client-fields.ts';
import { decodeInput } from './decode-input.ts';
import { decodeTools } from './decode-tools.ts';
import { RequestFields } from './request-fields.ts';
import { EFFORTS, INCLUDE_ENCRYPTED_REASONING, INCLUDE_LOGPROBS } from './wire.ts';

/** Fields that need state on the server, with the values that ask for nothing. */
const STATEFUL_FIELDS: ReadonlyMap<string, readonly JsonValue[]> = new Map([
  ['previous_response_id', ['']],
  ['conversation', []],
  ['background', [false]],
  ['prompt', []],
]);
const FIELDS = fieldTree(RESPONSES_CLIENT_FIELDS);

/** Reads the body of `POST /v1/responses`. */
export function decodeRequest(body: JsonObject): TurnRequest | Fault {
  const fields = new RequestFields();
  refuseStoredState(body, fields);
  const extras = collectExtras(body);
  const { tools, toolChoice } = decodeTools(body, fields);
  const messages = decodeMessages(body, fields);
  const include = decodeInclude(body, fields, extras);
  const topLogprobs = fields.integer(body.top_logprobs, 'top_logprobs', 0);
  const wantsLogprobs = include.has(INCLUDE_LOGPROBS) || (topLogprobs ?? 0) > 0;
  const turn: TurnRequest = {
    stream: fields.flag(body.stream, 'stream') ?? false,
    messages,
    tools,
    ...given({
      toolChoice,
      parallelToolCalls: fields.flag(body.parallel_tool_calls, 'parallel_tool_calls'),
      maxOutputTokens: fields.integer(body.max_output_tokens, 'max_output_tokens', 1),
      temperature: fields.number(body.temperature, 'temperature'),
      topP: fields.number(body.top_p, 'top_p'),
      presencePenalty: fields.number(body.presence_penalty, 'presence_penalty'),
      frequencyPenalty: fields.number(body.frequency_penalty, 'frequency_penalty'),
      logprobs: wantsLogprobs ? { top: topLogprobs ?? 0 } : undefined,
      serviceTier: fields.text(body.service_tier, 'service_tier'),
      endUser: decodeEndUser(body, fields),
      metadata: fields.object(body.metadata, 'metadata'),
      promptCacheKey: fields.text(body.prompt_cache_key, 'prompt_cache_key'),
      reasoning: decodeReasoning(body, fields),
      ...decodeText(body, fields),
    }),
    extras,
    names: clientNames(RESPONSES_CLIENT_FIELDS, body),
  };
  return fields.fault ?? turn;
}

/** The same without the members that are `undefined`. */
function given<Members extends Record<string, unknown>>(
  members: Members,
): { [Name in keyof Members]?: Exclude<Members[Name], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Members]?: Exclude<Members[Name], undefined>;
  };
}

function refuseStoredState(body: JsonObject, fields: RequestFields): void {
  for (const [name, neutral] of STATEFUL_FIELDS) {
    const value = body[name];
    if (value === undefined || value === null || neutral.includes(value)) continue;
    fields.refuse(
      'unsupported_responses_feature',
      name,
      `'${name}' needs state that is not kept here. Send the whole conversation in 'input' instead.`,
    );
  }
}

/** What is asked for by `include` and modelled leaves the rest of the list there. */
function collectExtras(body: JsonObject): Record<string, JsonValue> {
  const { include: _, ...extras } = unmodelledFields(FIELDS, body);
  return extras;
}

function decodeMessages(body: JsonObject, fields: RequestFields): readonly TurnMessage[] {
  const instructions = fields.text(body.instructions, 'instructions');
  const conversation = decodeInput(body.input, fields);
  const messages: readonly TurnMessage[] =
    instructions === undefined || instructions === ''
      ? conversation
      : [
          { role: 'system', parts: [{ kind: 'text', text: instructions, at: 'instructions' }] },
          ...conversation,
        ];
  if (messages.length === 0) fields.refuse('invalid_messages', 'input', "'input' must not be empty.");
  return messages;
}

/** What `include` asks for; what the turn does not model stays in `extras.include`. */
function decodeInclude(
  body: JsonObject,
  fields: RequestFields,
  extras: Record<string, JsonValue>,
): ReadonlySet<string> {
  const wanted = fields
    .list(body.include, 'include')
    .map((entry, position) => fields.requiredText(entry, `include[${position}]`));
  const rest = wanted.filter((entry) => entry !== INCLUDE_ENCRYPTED_REASONING && entry !== INCLUDE_LOGPROBS);
  if (rest.length > 0) extras.include = rest;
  return new Set(wanted);
}

function decodeEndUser(body: JsonObject, fields: RequestFields): string | undefined {
  const identifier = fields.text(body.safety_identifier, 'safety_identifier');
  const user = fields.text(body.user, 'user');
  return filledText(identifier) ?? filledText(user);
}

function decodeReasoning(body: JsonObject, fields: RequestFields): ReasoningRequest | undefined {
  const reasoning = fields.object(body.reasoning, 'reasoning');
  if (reasoning === undefined) return undefined;
  const effort = fields.text(reasoning.effort, 'reasoning.effort');
  if (effort !== undefined && !EFFORTS.includes(effort))
    fields.refuse(
      'unsupported_parameter',
      'reasoning.effort',
      `'reasoning.effort' must be one of ${EFFORTS.join(', ')}.`,
    );
  const summary =
    fields.text(reasoning.summary, 'reasoning.summary') ??
    fields.text(reasoning.generate_summary, 'reasoning.generate_summary');
  if (effort === undefined && summary === undefined) return undefined;
  return { ...(effort === undefined ? {} : { effort }), ...(summary === undefined ? {} : { summary }) };
}

function decodeText(
  body: JsonObject,
  fields: RequestFields,
): { format: OutputFormat | undefined; verbosity: string | undefined } {
  const text = fields.object(body.text, 'text');
  const verbosity = fields.text(text?.verbosity, 'text.verbosity');
  return { format: decodeFormat(fields.object(text?.format, 'text.format'), fields), verbosity };
}

function decodeFormat(format: JsonObject | undefined, fields: RequestFields): OutputFormat | undefined {
  if (format === undefined) return undefined;
  switch (format.type) {
    case 'text':
      return { kind: 'text' };
    case 'json_object':
      return { kind: 'json_object' };
    case 'json_schema': {
      const schema = fields.object(format.schema, 'text.format.schema');
      if (schema === undefined)
        return fields.refuse('invalid_request', 'text.format.schema', "'text.format.schema' is required.");
      const strict = fields.flag(format.strict, 'text.format.strict');
      const name = textOf(format.name);
      const description = textOf(format.description);
      return { kind: 'json_schema', schema, ...given({ name, description, strict }) };
    }
    default:
      return fields.refuse(
        'unsupported_parameter',
        'text.format.type',
        "'text.format.type' must be 'text', 'json_object' or 'json_schema'.",
      );
  }
}
