import { partialParse } from '@anthropic-ai/sdk/_vendor/partial-json-parser/parser';
import { isJsonObject, objectOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';

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
    if (block !== undefined && json !== '')
      block.input = parseInput(json, message.stop_reason === 'max_tokens');
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

/** Cut arguments are read as the official SDK reads them. */
function parseInput(json: string, wasCut: boolean): JsonValue {
  try {
    if (wasCut) return partialParse(json) as JsonValue;
    const parsed: unknown = JSON.parse(json);
    return isJsonObject(parsed) ? parsed : { input: parsed as JsonValue };
  } catch {
    return { input: json };
  }
}
