import { describe, expect, it } from 'vitest';
import { providerCodecs } from '#data-plane/dialects/provider-codecs.ts';
import { responsesClient } from '#data-plane/dialects/responses/responses-codec.ts';
import type { JsonObject, JsonValue, ProviderSignature } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import { isFault } from '#shared/fault.ts';
import { hasRecordings, playBody, playStream, recordingsOf } from '#test/dialects/provider-recordings.ts';
import { identity } from './answer-checks.ts';

const PROTOCOLS = {
  chat: 'openai-chat',
  messages: 'anthropic-messages',
  gemini: 'gemini',
  responses: 'openai-responses',
} as const;

/** Every recorded answer that its own decoder reads as complete. */
function completeAnswers(): { name: string; events: TurnEvent[] }[] {
  return (Object.keys(PROTOCOLS) as (keyof typeof PROTOCOLS)[]).flatMap((family) => {
    const codec = providerCodecs[family];
    return recordingsOf(PROTOCOLS[family]).flatMap(({ name, status, stream, whole }) => {
      if (status !== 200) return [];
      const events = stream === undefined ? playBody(codec, whole ?? {}) : playStream(codec, stream);
      return events.at(-1)?.kind === 'turn_end' ? [{ name, events }] : [];
    });
  });
}

function signaturesOf(events: readonly TurnEvent[]): ProviderSignature[] {
  return events.flatMap((event) => {
    if (event.kind === 'part_signature') return [event.signature];
    if (event.kind !== 'part_start' || event.part !== 'tool_call') return [];
    return event.signature === undefined ? [] : [event.signature];
  });
}

describe.skipIf(!hasRecordings)('answers of every protocol as Responses (needs CROSSMODEL_SHARED)', () => {
  const answers = completeAnswers();

  it('there are plenty', () => {
    expect(answers.length).toBeGreaterThan(90);
    expect(answers.filter(({ events }) => signaturesOf(events).length > 0).length).toBeGreaterThan(15);
  });

  it.each(answers.filter(({ events }) => signaturesOf(events).length > 0))(
    '$name comes back with every signature as it was',
    ({ events }) => {
      const { output } = responsesClient.encodeBody(identity(), events);
      const items: JsonValue[] = Array.isArray(output) ? output : [];
      const turn = responsesClient.decodeRequest({ input: ['x', ...items].map(asItem) });
      if (isFault(turn)) throw new Error(`${turn.param}: ${turn.message}`);
      const returned = turn.messages.flatMap(({ parts }) =>
        parts.flatMap((part) =>
          'signature' in part && part.signature !== undefined ? [part.signature] : [],
        ),
      );
      expect(returned.map(comparable)).toEqual(signaturesOf(events).map(comparable));
    },
  );

  function asItem(item: JsonValue): JsonValue {
    return typeof item === 'string' ? { role: 'user', content: item } : item;
  }

  /** An item of this protocol is the same when its id, summary and content are; the rest is the client's to keep. */
  function comparable(signature: ProviderSignature): unknown {
    if (signature.family !== 'responses') return signature;
    const { id, encrypted_content: content } = JSON.parse(signature.value) as JsonObject;
    return { id, content };
  }
});
