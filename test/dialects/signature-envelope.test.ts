import { describe, expect, it } from 'vitest';
import { chatClientCodec } from '#data-plane/dialects/chat/chat-codec.ts';
import type { ClientCodec, ProviderTarget } from '#data-plane/dialects/codec.ts';
import { objectOf, objectsOf } from '#data-plane/dialects/json-access.ts';
import { MESSAGES_CLIENT } from '#data-plane/dialects/messages/messages-codec.ts';
import { providerCodecs } from '#data-plane/dialects/provider-codecs.ts';
import { responsesClient } from '#data-plane/dialects/responses/responses-codec.ts';
import {
  issuedBy,
  mayHoldPackedState,
  packCallId,
  packSignature,
  unpackCallId,
  unpackSignature,
} from '#data-plane/dialects/signature-envelope.ts';
import type { JsonObject, ProviderSignature } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import { isFault } from '#shared/fault.ts';
import type { ProviderProtocol } from '#shared/usage-record.ts';

const THOUGHT: ProviderSignature = {
  family: 'gemini',
  issuer: 'Vertex.eu/1',
  kind: 'thought',
  value: 'Ci.Q+/=',
};
const { issuer: _, ...UNNAMED } = THOUGHT;

describe('the envelope of a signature', () => {
  it('keeps family, issuer, kind and value as they were', () => {
    expect(unpackSignature(packSignature(THOUGHT))).toEqual(THOUGHT);
    expect(unpackCallId(packCallId('call_1', THOUGHT))).toEqual({ id: 'call_1', signature: THOUGHT });
  });

  it('of a conversation from before issuers were named is still opened', () => {
    expect(unpackSignature('cm1.gemini.thought.Ci.Q+/=')).toEqual(UNNAMED);
    expect(unpackSignature(packSignature(UNNAMED))).toEqual(UNNAMED);
  });

  it.each([
    '',
    'cm1.',
    'cm2.gemini',
    'cm2.gemini.x.thought',
    'cm2.nobody.x.thought.v',
    'cm3.gemini.x.thought.v',
    'EqAB',
  ])('is not what %o is', (text) => {
    expect(unpackSignature(text)).toBeUndefined();
  });

  it('is noticed in a body in whichever slot it travels', () => {
    for (const text of [packSignature(THOUGHT), packSignature(UNNAMED), packCallId('c', THOUGHT)])
      expect(mayHoldPackedState(Buffer.from(JSON.stringify({ messages: [{ text }] })))).toBe(true);
    expect(mayHoldPackedState(Buffer.from('{"messages":[]}'))).toBe(false);
  });
});

/** How a client of each dialect sends an answer back, with the results of its calls. */
const RETURNS: Readonly<Record<string, { codec: ClientCodec; next: (answer: JsonObject) => JsonObject }>> = {
  chat: {
    codec: chatClientCodec,
    next: (answer) => {
      const message = objectOf(objectsOf(answer.choices)[0]?.message) ?? {};
      const results = objectsOf(message.tool_calls).map(({ id }) => ({
        role: 'tool',
        tool_call_id: id ?? '',
        content: 'ok',
      }));
      return { model: 'm', messages: [{ role: 'user', content: 'x' }, message, ...results] };
    },
  },
  messages: {
    codec: MESSAGES_CLIENT,
    next: (answer) => {
      const results = objectsOf(answer.content).flatMap(({ type, id }) =>
        type === 'tool_use' ? [{ type: 'tool_result', tool_use_id: id ?? '', content: 'ok' }] : [],
      );
      const content = answer.content ?? [];
      const turns = [
        { role: 'user', content: 'x' },
        { role: 'assistant', content },
        { role: 'user', content: results },
      ];
      return { model: 'm', max_tokens: 9, messages: turns };
    },
  },
  responses: {
    codec: responsesClient,
    next: (answer) => {
      const results = objectsOf(answer.output).flatMap(({ type, call_id: id }) =>
        type === 'function_call' ? [{ type: 'function_call_output', call_id: id ?? '', output: 'ok' }] : [],
      );
      return { model: 'm', input: [{ role: 'user', content: 'x' }, ...objectsOf(answer.output), ...results] };
    },
  },
};

/** What a vendor's answer holds that only it can read, per protocol. */
const SECRETS: Readonly<Record<ProviderProtocol, ProviderSignature>> = {
  gemini: { family: 'gemini', kind: 'thought', value: 'SECRET==' },
  messages: { family: 'messages', kind: 'thinking', value: 'SECRET==' },
  responses: {
    family: 'responses',
    kind: 'item',
    value: '{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"SECRET=="}',
  },
  chat: {
    family: 'chat',
    kind: 'details',
    value: '[{"type":"reasoning.encrypted","data":"SECRET==","index":0}]',
  },
};

function answerOf(signature: ProviderSignature): TurnEvent[] {
  return [
    { kind: 'turn_start', upstreamId: 'u' },
    { kind: 'part_start', index: 0, part: 'reasoning', choice: 0 },
    { kind: 'part_delta', index: 0, text: 'Hm' },
    { kind: 'part_signature', index: 0, signature },
    { kind: 'part_end', index: 0 },
    { kind: 'part_start', index: 1, part: 'tool_call', choice: 0, callId: 'c1', name: 'f' },
    { kind: 'part_delta', index: 1, text: '{}' },
    { kind: 'part_end', index: 1 },
    { kind: 'choice_end', choice: 0, reason: 'tool_calls' },
    { kind: 'turn_end' },
  ];
}

function target(vendor: string): ProviderTarget {
  const capabilities = { reasoningEfforts: undefined, thinkingBudget: true };
  return { providerModel: 'm', vendor, maxOutputTokens: 100, capabilities };
}

const cells = Object.keys(RETURNS).flatMap((client) =>
  (Object.keys(SECRETS) as ProviderProtocol[])
    // Clients of the protocol itself hold its own state, without an envelope that could name anybody.
    .filter((protocol) => protocol !== client)
    .map((protocol) => ({ client, protocol })),
);

describe('opaque reasoning state', () => {
  it.each(cells)(
    'of a $protocol vendor goes back to it through a $client client, to no other vendor',
    (cell) => {
      const { codec, next } = RETURNS[cell.client] ?? { codec: chatClientCodec, next: (answer) => answer };
      const events: TurnEvent[] = [];
      const emit = issuedBy('openrouter', (event) => events.push(event));
      for (const event of answerOf(SECRETS[cell.protocol])) emit(event);
      const identity = { idSeed: '0'.repeat(32), model: 'v/m', createdAt: 1, body: {} };
      const turn = codec.decodeRequest(next(codec.encodeBody(identity, events)));
      if (isFault(turn)) throw new Error(turn.message);
      const sentTo = (vendor: string) => {
        const encoded = providerCodecs[cell.protocol].encodeRequest(turn, target(vendor));
        if (isFault(encoded)) throw new Error(encoded.message);
        return encoded;
      };
      const home = sentTo('openrouter');
      expect(JSON.stringify(home.body)).toContain('SECRET==');
      expect(JSON.stringify(home.body)).not.toContain('cm2.');
      const other = sentTo('another');
      expect(JSON.stringify(other.body)).not.toMatch(/SECRET==|cm2\./);
      expect(other.dropped.join()).toMatch(/reasoning_details\[0\]|content\[0\]|input\[1\]/);
    },
  );
});
