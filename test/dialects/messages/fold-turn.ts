import { isJsonObject, objectOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';

/** An answer put together from its events: what has to be the same however it arrived. */
export interface FoldedTurn {
  readonly parts: readonly Record<string, unknown>[];
  readonly ends: readonly TurnEvent[];
  readonly usage: unknown;
}

/** Throws when the events are out of order: a part without start, a start without end, anything after the end. */
export function foldTurn(events: readonly TurnEvent[]): FoldedTurn {
  const parts: Record<string, unknown>[] = [];
  const open = new Map<number, Record<string, unknown>>();
  const ends: TurnEvent[] = [];
  let usage: unknown;
  const partOf = (index: number) => {
    const part = open.get(index);
    if (part === undefined) throw new Error(`Part ${index} is not open.`);
    return part;
  };
  for (const [at, event] of events.entries()) {
    if (ends.some(({ kind }) => kind === 'turn_end' || kind === 'turn_fault'))
      throw new Error(`Event ${at} follows the end.`);
    switch (event.kind) {
      case 'turn_start':
        break;
      case 'part_start': {
        if (event.index !== parts.length) throw new Error(`Part ${event.index} is out of order.`);
        const { kind: _, index: __, ...rest } = event;
        const part = { ...rest, text: '' };
        parts.push(part);
        open.set(event.index, part);
        break;
      }
      case 'part_delta':
        partOf(event.index).text = `${String(partOf(event.index).text)}${event.text}`;
        break;
      case 'part_signature':
        partOf(event.index).signature = event.signature;
        break;
      case 'part_citation': {
        const part = partOf(event.index);
        const { kind: _, index: __, ...rest } = event;
        part.citations = [...((part.citations as unknown[] | undefined) ?? []), rest];
        break;
      }
      case 'part_end':
        partOf(event.index);
        open.delete(event.index);
        break;
      case 'native_part':
        if (event.index !== parts.length) throw new Error(`Part ${event.index} is out of order.`);
        parts.push({ native: event.value });
        break;
      case 'usage':
        usage = event.usage;
        break;
      default:
        ends.push(event);
    }
  }
  if (open.size > 0 && ends.at(-1)?.kind !== 'turn_fault') throw new Error('A part was left open.');
  return { parts, ends, usage };
}

/** Puts a Messages stream together by the rules of the public documentation, apart from the code under test. */
export function foldMessage(payloads: readonly string[]): JsonObject {
  let message: JsonObject = {};
  const blocks: JsonObject[] = [];
  const inputs = new Map<number, string>();
  for (const payload of payloads) {
    const event = JSON.parse(payload) as JsonObject;
    const index = Number(event.index ?? 0);
    const delta = objectOf(event.delta) ?? {};
    const block = blocks[index];
    if (event.type === 'message_start') message = { ...objectOf(event.message) };
    if (event.type === 'content_block_start') blocks[index] = { ...objectOf(event.content_block) };
    if (event.type === 'message_delta') {
      const usage = { ...objectOf(message.usage), ...objectOf(event.usage) };
      message = { ...message, ...delta, usage };
    }
    if (block !== undefined) applyDelta(block, delta, index, inputs);
  }
  for (const [index, json] of inputs) {
    const block = blocks[index];
    if (block !== undefined && json !== '') block.input = parseInput(json);
  }
  return { ...message, content: blocks };
}

function applyDelta(block: JsonObject, delta: JsonObject, index: number, inputs: Map<number, string>): void {
  const append = (name: string) => {
    block[name] = `${String(block[name] ?? '')}${String(delta[name])}`;
  };
  if (delta.type === 'text_delta') append('text');
  if (delta.type === 'thinking_delta') append('thinking');
  if (delta.type === 'signature_delta') append('signature');
  if (delta.type === 'input_json_delta')
    inputs.set(index, `${inputs.get(index) ?? ''}${String(delta.partial_json)}`);
  if (delta.type === 'citations_delta')
    block.citations = [...(Array.isArray(block.citations) ? block.citations : []), delta.citation ?? null];
}

function parseInput(json: string): JsonValue {
  try {
    const parsed: unknown = JSON.parse(json);
    return isJsonObject(parsed) ? parsed : { input: parsed as JsonValue };
  } catch {
    return { input: json };
  }
}
