import { expect } from 'vitest';
import { isJsonObject, objectOf, objectsOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import type { SentEvent } from '#test/dialects/provider-recordings.ts';

/** Each choice opens with its role and ends with one reason; counts come last and alone; the marker ends it. */
export function expectSoundChat(sent: readonly SentEvent[], isWhole: boolean): void {
  expect(sent.every(({ name }) => name === '')).toBe(true);
  const chunks = sent
    .filter(({ data }) => data !== '[DONE]')
    .map(({ data }) => JSON.parse(data) as JsonObject);
  expect(sent.filter(({ data }) => data === '[DONE]')).toHaveLength(isWhole ? 1 : 0);
  if (isWhole) expect(sent.at(-1)?.data).toBe('[DONE]');
  const begun = new Set<unknown>();
  const ended = new Set<unknown>();
  for (const [at, chunk] of chunks.entries()) {
    if (chunk.error !== undefined) {
      expect([isWhole, at]).toEqual([false, chunks.length - 1]);
      continue;
    }
    const choices = objectsOf(chunk.choices);
    if (choices.length === 0) {
      expect(at).toBe(chunks.length - 1);
      expect(isJsonObject(chunk.usage)).toBe(true);
    }
    for (const { index, delta, finish_reason: reason } of choices) {
      expect(objectOf(delta)?.role).toBe(begun.has(index) ? undefined : 'assistant');
      begun.add(index);
      expect(ended.has(index)).toBe(false);
      if (reason !== null) ended.add(index);
    }
  }
  if (isWhole) expect(ended).toEqual(begun);
  else expect(chunks.at(-1)?.error).toBeDefined();
}

const BLOCK_OF_DELTA: Readonly<Record<string, readonly string[]>> = {
  text_delta: ['text'],
  citations_delta: ['text'],
  thinking_delta: ['thinking'],
  signature_delta: ['thinking'],
  input_json_delta: ['tool_use', 'server_tool_use', 'mcp_tool_use'],
};

/** One block at a time, numbered from 0, each ended; only deltas of its own kind; the start and the end once. */
export function expectSoundMessages(sent: readonly SentEvent[], isWhole: boolean): void {
  const events = sent.map(({ data }) => JSON.parse(data) as JsonObject);
  expect(sent.map(({ name }) => name)).toEqual(events.map(({ type }) => type));
  const types = events.map(({ type }) => type);
  if (isWhole) {
    expect(types[0]).toBe('message_start');
    expect(types.slice(-2)).toEqual(['message_delta', 'message_stop']);
  } else expect(types.at(-1)).toBe('error');
  for (const once of ['message_start', 'message_delta', 'message_stop', 'error'])
    expect(types.filter((type) => type === once).length).toBeLessThanOrEqual(1);
  let open: JsonObject | undefined;
  let next = 0;
  for (const event of events) {
    if (event.type === 'content_block_start') {
      expect([open, event.index]).toEqual([undefined, next]);
      open = objectOf(event.content_block);
      next += 1;
    } else if (event.type === 'content_block_delta') {
      expect(event.index).toBe(next - 1);
      expect(BLOCK_OF_DELTA[String(objectOf(event.delta)?.type)]).toContain(open?.type);
    } else if (event.type === 'content_block_stop') {
      expect([open === undefined, event.index]).toEqual([false, next - 1]);
      open = undefined;
    }
  }
  if (isWhole) expect(open).toBeUndefined();
}
