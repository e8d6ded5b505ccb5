import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { isJsonObject, objectOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import { parseObject, specFolder } from './provider-recordings.ts';

/** Compiling takes seconds, so every file of a test process shares what was compiled. */
const compiled = new Map<string, unknown>();

function once<Value>(key: string, compile: () => Value): Value {
  const value = compiled.has(key) ? (compiled.get(key) as Value) : compile();
  compiled.set(key, value);
  return value;
}

function readSpec(...path: string[]): JsonObject {
  return parseObject(readFileSync(join(specFolder ?? '', ...path))) ?? {};
}

function schemasOf(document: JsonObject): JsonObject {
  return objectOf(objectOf(document.components)?.schemas) ?? {};
}

/** Where a value departs from a schema of OpenAI's, by name; `nullable` is translated, as it is no JSON Schema word. */
export function departuresFromOpenAi(schema: string, value: unknown): string[] {
  const ajv = once('openai', () => {
    const loaded = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
    const schemas = withoutNullable(schemasOf(readSpec('openai', 'openapi.json')));
    return loaded.addSchema({ $id: 'openai', components: { schemas } });
  });
  const validate = once(`openai/${schema}`, () =>
    ajv.compile({ $ref: `openai#/components/schemas/${schema}` }),
  );
  if (validate(value)) return [];
  return (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message ?? ''}`);
}

function withoutNullable(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutNullable);
  if (!isJsonObject(schema)) return schema;
  const entries = Object.entries(schema).map(([name, value]) => [name, withoutNullable(value)] as const);
  const { nullable, discriminator: _, ...rest } = Object.fromEntries(entries);
  return nullable === true ? { anyOf: [rest, { type: 'null' }] } : rest;
}

/** A validator of one of Google's published shapes of API version v1beta. */
export function compileGeminiSchema(name: string): ValidateFunction {
  return once(`gemini/${name}`, () => {
    const schemas = closed(schemasOf(readSpec('gemini', 'openapi-v1beta.json')));
    const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
    ajv.addSchema({ $id: 'gemini', components: { schemas } });
    return ajv.compile({ $ref: `gemini#/components/schemas/${name}` });
  });
}

/** Objects with named properties accept no others here: Gemini refuses unknown fields. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (!isJsonObject(schema)) return schema;
  const entries = Object.entries(schema).map(([name, value]) => [name, closed(value)] as const);
  const result: Record<string, unknown> = Object.fromEntries(entries);
  const isNamed =
    result.type === 'object' && typeof result.properties === 'object' && !('additionalProperties' in result);
  return isNamed ? { ...result, additionalProperties: false } : result;
}

export interface MessagesSchemas {
  readonly createRequest: ValidateFunction;
  readonly createStreamRequest: ValidateFunction;
  readonly countRequest: ValidateFunction;
  readonly message: ValidateFunction;
  readonly streamEvent: ValidateFunction;
  readonly errorResponse: ValidateFunction;
}

/** Anthropic's published shapes of API version 2023-06-01 or 2026-10-21. */
export function messagesSchemas(version: string): MessagesSchemas {
  return once(`messages/${version}`, () => {
    const ajv = new Ajv({ strict: false });
    ajv.addSchema(readSpec('anthropic', `messages.types-${version}.schema.json`), 'messages');
    const compile = (definition: string) => ajv.compile({ $ref: `messages#/definitions/${definition}` });
    return {
      createRequest: compile('MessageCreateParamsNonStreaming'),
      createStreamRequest: compile('MessageCreateParamsStreaming'),
      countRequest: compile('MessageCountTokensParams'),
      message: compile('Message'),
      streamEvent: compile('RawMessageStreamEvent'),
      errorResponse: compile('ErrorResponse'),
    };
  });
}

export interface ResponsesSchemas {
  readonly createRequest: ValidateFunction;
  readonly response: ValidateFunction;
  readonly streamEvent: ValidateFunction;
}

/** OpenAI's published shapes of Responses. */
export function openAiResponsesSchemas(): ResponsesSchemas {
  return once('responses/openai', () => {
    const document = readSpec('openai', 'openapi.json');
    return compileResponses(document, 'CreateResponse', 'Response', ['ResponseStreamEvent']);
  });
}

/** The published shapes of Open Responses. */
export function openResponsesSchemas(): ResponsesSchemas {
  return once('responses/open', () => {
    const document = readSpec('open-responses', 'openapi-2026-04-24.json');
    const events = Object.keys(schemasOf(document)).filter((name) => name.endsWith('StreamingEvent'));
    return compileResponses(document, 'CreateResponseBody', 'ResponseResource', events);
  });
}

function compileResponses(
  document: JsonObject,
  request: string,
  response: string,
  events: readonly string[],
): ResponsesSchemas {
  const ajv = new Ajv2020({ strict: false, allErrors: false });
  formats.default(ajv);
  ajv.addFormat('unixtime', true);
  ajv.addSchema(document, 'document');
  ajv.addSchema(withAnyOf(document), 'lenient');
  const ref = (name: string) => ({ $ref: `document#/components/schemas/${name}` });
  return {
    createRequest: ajv.compile({ $ref: `lenient#/components/schemas/${request}` }),
    response: ajv.compile(ref(response)),
    streamEvent: ajv.compile({ anyOf: events.map(ref) }),
  };
}

/** The published request schemas let many an input item match twice, which `oneOf` forbids and no server minds. */
function withAnyOf(document: JsonObject): JsonObject {
  return JSON.parse(JSON.stringify(document).replaceAll('"oneOf":', '"anyOf":'));
}
