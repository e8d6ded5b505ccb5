import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProviderCodec } from '#data-plane/dialects/codec.ts';
import { isJsonObject } from '#data-plane/dialects/json-access.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import { SseFrames } from '#data-plane/http/sse-frames.ts';
import { sharedMaterialFolder } from '#test/setup/settings.ts';

const sharedMaterial = sharedMaterialFolder();
/** Recorded traffic and published schemas; tests that need them are left out without them. */
export const wireFolder = sharedMaterial === undefined ? undefined : join(sharedMaterial, 'wire');
export const specFolder = sharedMaterial === undefined ? undefined : join(sharedMaterial, 'specs');
export const hasRecordings = wireFolder !== undefined && existsSync(wireFolder);

export interface Recording {
  readonly name: string;
  readonly protocol: string;
  readonly status: number;
  readonly request: JsonObject | undefined;
  readonly body: Buffer | undefined;
  readonly stream: Buffer | undefined;
  /** The body as an object, where it is one. */
  readonly whole: JsonObject | undefined;
  /** The events of the stream. */
  readonly sent: readonly SentEvent[] | undefined;
  /** Sizes in bytes of the reads in which the stream came, where they were kept. */
  readonly chunkBytes: readonly number[] | undefined;
}

/** One event of a stream as it was sent. */
export interface SentEvent {
  readonly name: string;
  readonly data: string;
}

let known: Recording[] | undefined;

/** Every recording of a protocol, whichever provider or client it is of. */
export function recordingsOf(protocol: string): Recording[] {
  if (wireFolder === undefined) return [];
  known ??= readFolder(wireFolder, '');
  return known.filter((recording) => recording.protocol === protocol);
}

function readFolder(path: string, name: string): Recording[] {
  return readdirSync(path, { withFileTypes: true }).flatMap((entry): Recording[] => {
    if (entry.isDirectory()) return readFolder(join(path, entry.name), `${name}${entry.name}/`);
    if (!entry.name.endsWith('.meta.json')) return [];
    const stem = entry.name.replace(/\.meta\.json$/, '');
    const meta = parseObject(readFileSync(join(path, entry.name)));
    const request = fileOf(path, `${stem}.request.json`);
    const body = fileOf(path, `${stem}.response.json`);
    const stream = fileOf(path, `${stem}.stream.sse`);
    return [
      {
        name: `${name}${stem}`,
        protocol: String(meta?.protocol),
        status: typeof meta?.status === 'number' ? meta.status : 0,
        request: request === undefined ? undefined : parseObject(request),
        body,
        stream,
        whole: body === undefined ? undefined : parseObject(body),
        sent: stream === undefined ? undefined : sentEvents(stream),
        chunkBytes: Array.isArray(meta?.wire_chunks) ? meta.wire_chunks.map(Number) : undefined,
      },
    ];
  });
}

function fileOf(folder: string, name: string): Buffer | undefined {
  const path = join(folder, name);
  return existsSync(path) ? readFileSync(path) : undefined;
}

export function parseObject(bytes: Buffer): JsonObject | undefined {
  const parsed: unknown = JSON.parse(bytes.toString('utf8'));
  return isJsonObject(parsed) ? parsed : undefined;
}

/** The events of a stream, comments left out. */
export function sentEvents(bytes: Buffer): SentEvent[] {
  const frames = new SseFrames();
  const found: SentEvent[] = [];
  frames.push(bytes);
  frames.finish();
  while (frames.next()) {
    if (!frames.hasData) continue;
    const data = frames.data.toString('utf8', frames.dataStart, frames.dataEnd);
    found.push({ name: frames.eventName, data });
  }
  return found;
}

/** Payloads of the events of a stream. */
export function payloadsIn(bytes: Buffer): string[] {
  return sentEvents(bytes).map(({ data }) => data);
}

/** Plays a stream to a decoder as the lane does: whole events, and text between them that is none. */
export function playStream(codec: ProviderCodec, bytes: Buffer): TurnEvent[] {
  const events: TurnEvent[] = [];
  const decoder = codec.createStreamDecoder((event) => events.push(event));
  const frames = new SseFrames();
  frames.push(bytes);
  frames.finish();
  let isMore = true;
  while (isMore) {
    isMore = frames.next();
    const raw = frames.bytes.toString('utf8', frames.start, frames.end).trim();
    if (frames.hasData)
      decoder.frame(frames.eventName, frames.data.toString('utf8', frames.dataStart, frames.dataEnd));
    else if (raw !== '' && !raw.startsWith(':')) decoder.unframed?.(raw);
  }
  decoder.end();
  return events;
}

export function playFrames(codec: ProviderCodec, frames: readonly (string | object)[]): TurnEvent[] {
  const events: TurnEvent[] = [];
  const decoder = codec.createStreamDecoder((event) => events.push(event));
  for (const frame of frames) decoder.frame('', typeof frame === 'string' ? frame : JSON.stringify(frame));
  decoder.end();
  return events;
}

export function playBody(codec: ProviderCodec, body: JsonObject): TurnEvent[] {
  const events: TurnEvent[] = [];
  codec.decodeBody(body, (event) => events.push(event));
  return events;
}
