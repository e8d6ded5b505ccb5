import { describe, expect, it } from 'vitest';
import {
  dropForeignReasoning,
  mayHoldForeignReasoning,
} from '#data-plane/dialects/messages/foreign-reasoning.ts';
import { packCallId, packSignature } from '#data-plane/dialects/signature-envelope.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import { hasRecordings, recordingsOf } from '#test/dialects/provider-recordings.ts';

const GEMINI = { family: 'gemini', kind: 'thought', value: 'Ci+/=' } as const;
const ID = packCallId('functions.look:0', GEMINI);
const user = (content: JsonObject[]) => ({ role: 'user', content });
const assistant = (content: JsonObject[]) => ({ role: 'assistant', content });
const OWN = { type: 'thinking', thinking: 'Mine', signature: 'EqAB==' };
const HI = user([{ type: 'text', text: 'Hi' }]);

describe('a Messages request after a switch of provider', () => {
  const body = {
    model: 'm',
    max_tokens: 10,
    extra: [1],
    thinking: { type: 'enabled', budget_tokens: 1024 },
    context_management: {
      edits: [{ type: 'clear_thinking_20251015' }, { type: 'clear_tool_uses_20250919' }],
    },
    messages: [
      HI,
      assistant([OWN, { type: 'redacted_thinking', data: 'Ev' }]),
      HI,
      assistant([{ type: 'thinking', thinking: 'Alone', signature: '' }]),
      HI,
      assistant([
        { type: 'thinking', thinking: 'Theirs', signature: packSignature(GEMINI) },
        { type: 'redacted_thinking', data: packSignature(GEMINI) },
        { type: 'tool_use', id: ID, name: 'look', input: {} },
      ]),
      user([{ type: 'tool_result', tool_use_id: ID, content: 'seen' }]),
    ],
  };

  it('keeps the thoughts of its provider and loses those of others', () => {
    expect(mayHoldForeignReasoning(Buffer.from(JSON.stringify(body)))).toBe(true);
    const cleaned = dropForeignReasoning(body);
    expect(cleaned?.body.messages).toEqual([
      HI,
      assistant([OWN, { type: 'redacted_thinking', data: 'Ev' }]),
      HI,
      HI,
      assistant([{ type: 'tool_use', id: 'functions_look_0', name: 'look', input: {} }]),
      user([{ type: 'tool_result', tool_use_id: 'functions_look_0', content: 'seen' }]),
    ]);
    expect(cleaned?.dropped).toEqual([
      'messages[3].content[0]',
      'messages[5].content[0]',
      'messages[5].content[1]',
      'messages[5].content[2].id',
      'thinking',
    ]);
    expect(mayHoldForeignReasoning(Buffer.from(JSON.stringify(cleaned?.body)))).toBe(false);
  });

  it('does not think within a budget inside a tool loop that another provider began', () => {
    const cleaned = dropForeignReasoning(body)?.body;
    expect(cleaned).not.toHaveProperty('thinking');
    expect(cleaned?.context_management).toEqual({ edits: [{ type: 'clear_tool_uses_20250919' }] });
    expect(cleaned).toMatchObject({ model: 'm', max_tokens: 10, extra: [1] });
  });

  it('thinks on when the last word is not a result', () => {
    const later = { ...body, messages: [...body.messages, HI] };
    expect(dropForeignReasoning(later)?.body.thinking).toEqual(body.thinking);
  });

  it.runIf(hasRecordings)('of a client that never left its provider is not touched', () => {
    const requests = recordingsOf('anthropic-messages').flatMap(({ request }) =>
      request === undefined ? [] : [request],
    );
    expect(requests.length).toBeGreaterThan(30);
    for (const request of requests) {
      expect(mayHoldForeignReasoning(Buffer.from(JSON.stringify(request)))).toBe(false);
      expect(dropForeignReasoning(request)).toBeUndefined();
    }
  });
});
