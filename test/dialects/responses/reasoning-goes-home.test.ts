import { describe, expect, it } from 'vitest';
import { chatClientCodec } from '#data-plane/dialects/chat/chat-codec.ts';
import type { ClientCodec } from '#data-plane/dialects/codec.ts';
import { objectOf, objectsOf } from '#data-plane/dialects/json-access.ts';
import { MESSAGES_CLIENT } from '#data-plane/dialects/messages/messages-codec.ts';
import { responsesClient, responsesProvider } from '#data-plane/dialects/responses/responses-codec.ts';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import { isFault } from '#shared/fault.ts';
import { hasRecordings, recordingsOf } from '#test/dialects/provider-recordings.ts';
import { decodeStream, decodeWhole, identity } from './answer-checks.ts';

const target = {
  providerModel: 'gpt-x',
  vendor: 'openai',
  maxOutputTokens: undefined,
  capabilities: { reasoningEfforts: undefined, thinkingBudget: false },
};
const question = { role: 'user', content: 'x' };

/** How a client of each dialect sends an answer back in its next request. */
const CLIENTS: Readonly<Record<string, { codec: ClientCodec; next: (answer: JsonObject) => JsonObject }>> = {
  chat: {
    codec: chatClientCodec,
    next: (answer) => ({
      model: 'm',
      messages: [question, objectOf(objectsOf(answer.choices)[0]?.message) ?? null],
    }),
  },
  messages: {
    codec: MESSAGES_CLIENT,
    next: (answer) => ({
      model: 'm',
      max_tokens: 9,
      messages: [question, { role: 'assistant', content: answer.content ?? [] }],
    }),
  },
  responses: {
    codec: responsesClient,
    next: (answer) => ({ model: 'm', input: [question, ...(answer.output as JsonValue[])] }),
  },
};

describe.skipIf(!hasRecordings)('encrypted reasoning (needs CROSSMODEL_SHARED)', () => {
  const answers = recordingsOf('openai-responses').flatMap(({ name, sent: stream, whole: body, status }) => {
    if (status !== 200) return [];
    const events = stream === undefined ? decodeWhole(body ?? {}) : decodeStream(stream);
    const items = events.flatMap((event) =>
      event.kind === 'part_signature' ? [JSON.parse(event.signature.value) as JsonObject] : [],
    );
    return items.length > 0 && events.at(-1)?.kind === 'turn_end' ? [{ name, events, items }] : [];
  });
  const cases = Object.keys(CLIENTS).flatMap((client) => answers.map((answer) => ({ client, ...answer })));

  it('is in enough recordings', () => {
    expect(answers.length).toBeGreaterThanOrEqual(6);
  });

  it.each(cases)('of $name goes home through a $client client as it came', ({ client, events, items }) => {
    const { codec, next } = CLIENTS[client] ?? {
      codec: responsesClient,
      next: (answer: JsonObject) => answer,
    };
    const turn = codec.decodeRequest(next(codec.encodeBody(identity({ stream: false }), events)));
    if (isFault(turn)) throw new Error(`${turn.param}: ${turn.message}`);
    const encoded = responsesProvider.encodeRequest(turn, target);
    if (isFault(encoded)) throw new Error(`${encoded.param}: ${encoded.message}`);
    const returned = objectsOf(encoded.body.input).filter(({ type }) => type === 'reasoning');
    if (client !== 'responses') expect(returned).toEqual(items);
    // A client of this dialect keeps the item itself, of which these members count.
    const essence = ({ id, encrypted_content: content }: JsonObject) => ({ id, content });
    expect(returned.map(essence)).toEqual(items.map(essence));
  });
});
