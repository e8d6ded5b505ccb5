import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import { SseFrames } from '#data-plane/http/sse-frames.ts';
import { sharedMaterialFolder } from '#test/setup/settings.ts';

/** One recorded exchange with Anthropic's Messages API, or with a client of it. */
export interface Recording {
  readonly name: string;
  readonly status: number;
  readonly request: JsonObject | undefined;
  /** Payloads of the streamed events. */
  readonly stream: readonly string[] | undefined;
  readonly body: JsonObject | undefined;
}

const folder = sharedMaterialFolder();
export const hasMaterial = folder !== undefined;

export function readRecordings(): Recording[] {
  return folder === undefined
    ? []
    : ['anthropic-messages', 'clients'].flatMap((group) => readGroup(path.join(folder, 'wire', group)));
}

function readGroup(group: string): Recording[] {
  return readdirSync(group)
    .filter((file) => file.endsWith('.meta.json'))
    .flatMap((file): Recording[] => {
      const stem = path.join(group, file.replace('.meta.json', ''));
      const meta = readJson(`${stem}.meta.json`);
      if (meta.protocol !== 'anthropic-messages') return [];
      const json = (ending: string) => (existsSync(stem + ending) ? readJson(stem + ending) : undefined);
      return [
        {
          name: path.basename(stem),
          status: Number(meta.status),
          request: json('.request.json'),
          stream: existsSync(`${stem}.stream.sse`) ? payloads(readFileSync(`${stem}.stream.sse`)) : undefined,
          body: json('.response.json'),
        },
      ];
    });
}

function readJson(file: string): JsonObject {
  return JSON.parse(readFileSync(file, 'utf8'));
}

export function payloads(bytes: Buffer): string[] {
  const frames = new SseFrames();
  const found: string[] = [];
  const drain = () => {
    while (frames.next()) {
      if (frames.hasData) found.push(frames.data.toString('utf8', frames.dataStart, frames.dataEnd));
    }
  };
  frames.push(bytes);
  drain();
  frames.finish();
  drain();
  return found;
}

export interface PublishedSchemas {
  readonly createRequest: ValidateFunction;
  readonly createStreamRequest: ValidateFunction;
  readonly countRequest: ValidateFunction;
  readonly message: ValidateFunction;
  readonly streamEvent: ValidateFunction;
  readonly errorResponse: ValidateFunction;
}

/** The published shapes of API version 2023-06-01 or 2026-10-21. */
export function compileSchemas(version: string): PublishedSchemas {
  const file = path.join(folder ?? '', `specs/anthropic/messages.types-${version}.schema.json`);
  const schema = readJson(file);
  const ajv = new Ajv({ strict: false });
  ajv.addSchema(schema, 'messages');
  const compile = (definition: string) => ajv.compile({ $ref: `messages#/definitions/${definition}` });
  return {
    createRequest: compile('MessageCreateParamsNonStreaming'),
    createStreamRequest: compile('MessageCreateParamsStreaming'),
    countRequest: compile('MessageCountTokensParams'),
    message: compile('Message'),
    streamEvent: compile('RawMessageStreamEvent'),
    errorResponse: compile('ErrorResponse'),
  };
}
