import { describe, expect, it } from 'vitest';
import { providerCodecs } from '#data-plane/dialects/provider-codecs.ts';
import { responsesClient } from '#data-plane/dialects/responses/responses-codec.ts';
import type { JsonObject, JsonValue, ProviderSignature } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import { isFault } from '#shared/fault.ts';
import { hasRecordings, playBody, playStream, recordingsOf } from '#test/dialects/provider-recordings.ts';
import { openAiResponsesSchemas, openResponsesSchemas } from '#test/dialects/published-schemas.ts';
import { encodeStream, expectSoundLifecycle, identity, payloadsOf, textsOf } from './answer-checks.ts';

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

function textsOfEvents(events: readonly TurnEvent[]): Record<string, string> {
  const kinds = new Map<number, string>();
  const texts: Record<string, string> = { text: '', refusal: '', reasoning: '', tool_call: '' };
  for (const event of events) {
    if (event.kind === 'part_start' && event.choice === 0) kinds.set(event.index, event.part);
    const kind = event.kind === 'part_delta' ? kinds.get(event.index) : undefined;
    if (kind !== undefined && event.kind === 'part_delta') texts[kind] += event.text;
  }
  return texts;
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
  const openAi = hasRecordings ? openAiResponsesSchemas() : undefined;
  const open = hasRecordings ? openResponsesSchemas() : undefined;

  it('there are plenty', () => {
    expect(answers.length).toBeGreaterThan(90);
    expect(answers.filter(({ events }) => signaturesOf(events).length > 0).length).toBeGreaterThan(15);
  });

  it.each(answers)('$name is said completely, in published shapes', ({ events }) => {
    const stream = encodeStream(events);
    const response = expectSoundLifecycle(stream);
    const told = textsOfEvents(events);
    expect(textsOf(response)).toMatchObject({
      text: told.text,
      refusal: told.refusal,
      reasoning: told.reasoning,
    });
    // Hosted tools, and calls of free-text tools, are OpenAI's own; Open Responses knows neither.
    const isOpen =
      JSON.stringify(response.output)
        .match(/"type":"\w+_call"/g)
        ?.every((type) => type.includes('"function_call"')) ?? true;
    const hosted = /mcp_list_tools|code_interpreter|compaction/.test(JSON.stringify(response.output));
    for (const payload of payloadsOf(stream)) {
      expect(openAi?.streamEvent(payload) === true || payload).toBe(true);
      if (isOpen && !hosted) expect(open?.streamEvent(payload) === true || payload).toBe(true);
    }
    expect(openAi?.response(response) === true || openAi?.response.errors).toBe(true);
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
