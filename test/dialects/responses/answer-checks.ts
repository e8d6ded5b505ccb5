import { expect } from 'vitest';
import type { AnswerIdentity } from '#data-plane/dialects/codec.ts';
import { listOf, objectOf, objectsOf } from '#data-plane/dialects/json-access.ts';
import { responsesClient, responsesProvider } from '#data-plane/dialects/responses/responses-codec.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import { type SentEvent, sentEvents } from '#test/dialects/provider-recordings.ts';

export function identity(body: JsonObject = {}): AnswerIdentity {
  return {
    idSeed: '019fc71906a87a81a832456b38d5271b',
    model: 'vendor/model',
    createdAt: 1_763_000_000,
    body,
  };
}

/** Events of a stream as the decoder tells them, `end` included. */
export function decodeStream(stream: readonly SentEvent[]): TurnEvent[] {
  const events: TurnEvent[] = [];
  const decoder = responsesProvider.createStreamDecoder((event) => events.push(event));
  for (const { name, data } of stream) decoder.frame(name, data);
  decoder.end();
  return events;
}

export function decodeWhole(body: JsonObject): TurnEvent[] {
  const events: TurnEvent[] = [];
  responsesProvider.decodeBody(body, (event) => events.push(event));
  return events;
}

/** What a client reads of the answer, in its own dialect. */
export function encodeStream(events: readonly TurnEvent[], body: JsonObject = {}): SentEvent[] {
  let bytes = '';
  const encoder = responsesClient.createStreamEncoder(identity(body), (piece) => {
    bytes += piece;
  });
  for (const event of events) encoder.event(event);
  return sentEvents(Buffer.from(bytes));
}

export function payloadsOf(stream: readonly SentEvent[]): JsonObject[] {
  return stream.filter(({ data }) => data !== '[DONE]').map(({ data }) => JSON.parse(data) as JsonObject);
}

/** Checks what every complete stream has to keep; returns its last response object. */
export function expectSoundLifecycle(stream: readonly SentEvent[]): JsonObject {
  expect(stream.at(-1)?.data).toBe('[DONE]');
  const payloads = payloadsOf(stream);
  expect(payloads.map(({ sequence_number: number }) => number)).toEqual(payloads.map((_, place) => place));
  expect(stream.slice(0, -1).map(({ name }) => name)).toEqual(payloads.map(({ type }) => type));
  expect(payloads.slice(0, 2).map(({ type }) => type)).toEqual(['response.created', 'response.in_progress']);
  expect(payloads.at(-1)?.type).toMatch(/^response\.(completed|incomplete)$/);
  const response = objectOf(payloads.at(-1)?.response) ?? {};
  const done = payloads.filter(({ type }) => type === 'response.output_item.done');
  const inOrder = done.sort((one, other) => Number(one.output_index) - Number(other.output_index));
  expect(listOf(response.output)).toEqual(inOrder.map(({ item }) => item));
  expect(inOrder.map(({ output_index: place }) => place)).toEqual(inOrder.map((_, place) => place));
  expectBalanced(payloads);
  expectDeltasAddUp(payloads);
  return response;
}

function expectBalanced(payloads: readonly JsonObject[]): void {
  const open = new Set<string>();
  for (const { type, output_index: item, content_index: content, summary_index: summary } of payloads) {
    const [, what, step] =
      /^response\.(output_item|content_part|reasoning_summary_part)\.(added|done)$/.exec(String(type)) ?? [];
    if (what === undefined) continue;
    const key = `${what}/${item}/${content}/${summary}`;
    expect(open.has(key)).toBe(step === 'done');
    if (step === 'added') open.add(key);
    else open.delete(key);
    if (what === 'output_item' && step === 'done')
      expect([...open].filter((other) => other.split('/')[1] === String(item))).toEqual([]);
  }
  expect([...open]).toEqual([]);
}

/** The texts of the `done` events are what was streamed before them. */
function expectDeltasAddUp(payloads: readonly JsonObject[]): void {
  const streamed = new Map<string, string>();
  for (const payload of payloads) {
    const [, what, step] = /^(.*)\.(delta|done)$/.exec(String(payload.type)) ?? [];
    if (what === undefined || payload.item_id === undefined || what.endsWith('_part')) continue;
    const key = `${what}/${payload.item_id}/${payload.content_index}/${payload.summary_index}`;
    if (step === 'delta') streamed.set(key, (streamed.get(key) ?? '') + String(payload.delta));
    else {
      const whole = payload.text ?? payload.refusal ?? payload.arguments ?? payload.input;
      expect(streamed.get(key) ?? '').toBe(whole);
    }
  }
}

/** All text that an answer shows, by kind, from the response object alone. */
export function textsOf(response: JsonObject): Record<string, string> {
  const texts: Record<string, string> = { text: '', refusal: '', reasoning: '', arguments: '' };
  const add = (kind: string, text: unknown) => {
    texts[kind] = `${texts[kind]}${typeof text === 'string' ? text : ''}`;
  };
  for (const item of objectsOf(response.output)) {
    if (item.type === 'function_call') add('arguments', item.arguments);
    if (item.type === 'custom_tool_call') add('arguments', item.input);
    for (const { text } of [...objectsOf(item.summary)]) add('reasoning', text);
    for (const content of objectsOf(item.content))
      if (content.type === 'reasoning_text') add('reasoning', content.text);
      else if (content.type === 'refusal') add('refusal', content.refusal);
      else add('text', content.text);
  }
  return texts;
}
