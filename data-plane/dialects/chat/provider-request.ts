import { jsonName } from '#data-plane/json/json-name.ts';
import { JSON_KINDS } from '#data-plane/json/json-watch.ts';
import { type Splice, spliceBytes } from '#data-plane/json/splice-json.ts';
import type { ChatRequest } from './read-request.ts';

const TRUE = Buffer.from('true');
const OPTIONS_WITH_USAGE = Buffer.from('{"include_usage":true}');
const ADDED_OPTIONS = Buffer.from('"stream_options":{"include_usage":true},');
const INCLUDED_USAGE = Buffer.from('"include_usage":true');
const COMMA = Buffer.from(',');
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const ABSENT = 0;

/**
 * The body for a chat provider: the client's own bytes with the provider's model name, and with a request for usage where
 * the answer is streamed. Everything else, unknown fields included, stays as it was.
 */
export function providerChatBody(body: Buffer, request: ChatRequest, providerModel: string): Buffer {
  const { modelPlace, maxCompletionTokensPlace, maxTokensPlace } = request;
  const splices: Splice[] = [
    { start: modelPlace.start, end: modelPlace.end, bytes: jsonName(providerModel) },
  ];
  if (request.stream && !request.wantsUsageChunk) splices.push(askForUsage(body, request));
  // Providers differ in which of the two they read; with one value in both, the documented order of precedence holds.
  if (isGiven(maxCompletionTokensPlace.kind) && isGiven(maxTokensPlace.kind)) {
    const bytes = body.subarray(maxCompletionTokensPlace.start, maxCompletionTokensPlace.end);
    splices.push({ start: maxTokensPlace.start, end: maxTokensPlace.end, bytes });
  }
  return spliceBytes(body, splices);
}

function isGiven(kind: number): boolean {
  return kind !== ABSENT && kind !== JSON_KINDS.null;
}

function askForUsage(body: Buffer, request: ChatRequest): Splice {
  const { streamOptionsPlace: options, includeUsagePlace: flag } = request;
  if (flag.kind !== ABSENT && flag.kind !== JSON_KINDS.true)
    return { start: flag.start, end: flag.end, bytes: TRUE };
  if (options.kind === ABSENT) {
    const inside = body.indexOf(OPEN_BRACE) + 1;
    return { start: inside, end: inside, bytes: ADDED_OPTIONS };
  }
  if (options.kind === JSON_KINDS.null)
    return { start: options.start, end: options.end, bytes: OPTIONS_WITH_USAGE };
  const inside = options.start + 1;
  const isEmpty = nextNonSpace(body, inside) === CLOSE_BRACE;
  const bytes = isEmpty ? INCLUDED_USAGE : Buffer.concat([INCLUDED_USAGE, COMMA]);
  return { start: inside, end: inside, bytes };
}

function nextNonSpace(body: Buffer, from: number): number | undefined {
  let at = from;
  while (at < body.length && (body[at] ?? 0) <= 0x20) at += 1;
  return body[at];
}
