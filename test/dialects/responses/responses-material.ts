import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import { SseFrames } from '#data-plane/http/sse-frames.ts';
import { sharedMaterialFolder } from '#test/setup/settings.ts';

/** One event of a stream as it was sent. */
export interface SentEvent {
  readonly name: string;
  readonly data: string;
}

/** One recorded exchange with an endpoint that speaks Responses. */
export interface Recording {
  readonly name: string;
  readonly status: number;
  readonly request: JsonObject | undefined;
  readonly stream: readonly SentEvent[] | undefined;
  readonly body: JsonObject | undefined;
}

const folder = sharedMaterialFolder();
export const hasMaterial = folder !== undefined;

/** Every recording of this protocol, whichever provider or client it is of. */
export function readRecordings(): Recording[] {
  if (folder === undefined) return [];
  const wire = path.join(folder, 'wire');
  return readdirSync(wire, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.meta.json'))
    .sort()
    .flatMap((file): Recording[] => {
      const stem = path.join(wire, file.replace('.meta.json', ''));
      const meta = readJson(`${stem}.meta.json`);
      if (meta.protocol !== 'openai-responses') return [];
      const json = (ending: string) => (existsSync(stem + ending) ? readJson(stem + ending) : undefined);
      const sse = `${stem}.stream.sse`;
      return [
        {
          name: file.replace('.meta.json', ''),
          status: Number(meta.status),
          request: json('.request.json'),
          stream: existsSync(sse) ? readEvents(readFileSync(sse)) : undefined,
          body: json('.response.json'),
        },
      ];
    });
}

function readJson(file: string): JsonObject {
  return JSON.parse(readFileSync(file, 'utf8'));
}

export function readEvents(bytes: Buffer): SentEvent[] {
  const frames = new SseFrames();
  const found: SentEvent[] = [];
  const drain = () => {
    while (frames.next())
      if (frames.hasData)
        found.push({
          name: frames.eventName,
          data: frames.data.toString('utf8', frames.dataStart, frames.dataEnd),
        });
  };
  frames.push(bytes);
  drain();
  frames.finish();
  drain();
  return found;
}

export interface PublishedSchemas {
  readonly createRequest: ValidateFunction;
  readonly response: ValidateFunction;
  readonly streamEvent: ValidateFunction;
}

/** OpenAI's published shapes. */
export function openAiSchemas(): PublishedSchemas {
  return compile('specs/openai/openapi.json', {
    createRequest: 'CreateResponse',
    response: 'Response',
    streamEvents: ['ResponseStreamEvent'],
  });
}

/** The published shapes of Open Responses. */
export function openResponsesSchemas(): PublishedSchemas {
  const file = 'specs/open-responses/openapi-2026-04-24.json';
  const document = readJson(path.join(folder ?? '', file)) as { components: { schemas: JsonObject } };
  const streamEvents = Object.keys(document.components.schemas).filter((name) =>
    /StreamingEvent$/.test(name),
  );
  return compile(file, { createRequest: 'CreateResponseBody', response: 'ResponseResource', streamEvents });
}

function compile(
  file: string,
  names: { createRequest: string; response: string; streamEvents: readonly string[] },
): PublishedSchemas {
  const ajv = new Ajv2020({ strict: false, allErrors: false });
  formats.default(ajv);
  ajv.addFormat('unixtime', true);
  const document = readJson(path.join(folder ?? '', file));
  ajv.addSchema(document, 'document');
  ajv.addSchema(withAnyOf(document), 'lenient');
  const ref = (name: string) => ({ $ref: `document#/components/schemas/${name}` });
  return {
    createRequest: ajv.compile({ $ref: `lenient#/components/schemas/${names.createRequest}` }),
    response: ajv.compile(ref(names.response)),
    streamEvent: ajv.compile({ anyOf: names.streamEvents.map(ref) }),
  };
}

/** The published request schemas let many an input item match twice, which `oneOf` forbids and no server minds. */
function withAnyOf(document: JsonObject): JsonObject {
  return JSON.parse(JSON.stringify(document).replaceAll('"oneOf":', '"anyOf":'));
}
