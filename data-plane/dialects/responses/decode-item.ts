import { filledText, objectsOf, textOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import type { AnswerParts, ProseDetails } from './answer-parts.ts';

/** Passes on what a whole item says and its stream has not said, and ends it. `item` is the key of its place. */
export function completeItem(parts: AnswerParts, item: string, value: JsonObject): void {
  switch (value.type) {
    case 'message':
      completeMessage(parts, item, value);
      return;
    case 'reasoning':
      completeReasoning(parts, item, value);
      return;
    case 'function_call':
      completeCall(parts, item, value, textOf(value.arguments) ?? '');
      return;
    case 'custom_tool_call':
      completeCall(parts, item, value, textOf(value.input) ?? '');
      return;
    default:
      if (filledText(value.type) !== undefined) parts.native(value);
      return;
  }
}

/** What the part of an item is told besides its text. */
export function proseDetails(value: JsonObject): ProseDetails {
  const phase = value.type === 'message' ? filledText(value.phase) : undefined;
  const itemId = value.type === 'reasoning' ? filledText(value.id) : undefined;
  return { ...(phase === undefined ? {} : { phase }), ...(itemId === undefined ? {} : { itemId }) };
}

function completeMessage(parts: AnswerParts, item: string, value: JsonObject): void {
  const details = proseDetails(value);
  objectsOf(value.content).forEach((content, position) => {
    if (content.type === 'refusal') {
      parts.complete({ item, kind: 'refusal', position }, textOf(content.refusal) ?? '', [], details);
      return;
    }
    const place = { item, kind: 'text', position } as const;
    parts.complete(place, textOf(content.text) ?? '', objectsOf(content.logprobs), details);
    parts.cite(place, objectsOf(content.annotations), details);
  });
  parts.closeProse();
}

function completeReasoning(parts: AnswerParts, item: string, value: JsonObject): void {
  const details = proseDetails(value);
  const thoughts = objectsOf(value.content);
  const summaries = objectsOf(value.summary);
  summaries.forEach(({ text }, position) => {
    const place = { item, kind: 'reasoning', position, summary: true } as const;
    parts.complete(place, textOf(text) ?? '', [], details);
  });
  thoughts.forEach(({ text }, position) => {
    parts.complete({ item, kind: 'reasoning', position }, textOf(text) ?? '', [], details);
  });
  if (filledText(value.encrypted_content) !== undefined || thoughts.length > 0)
    parts.sign(item, value, details);
  else parts.closeProse();
}

function completeCall(parts: AnswerParts, item: string, value: JsonObject, text: string): void {
  parts.startCall(item, value);
  parts.completeCall(item, text);
  parts.endCall(item);
}
