import { describe, expect, it } from 'vitest';
import { objectsOf } from '#data-plane/dialects/json-access.ts';
import { MESSAGES_CLIENT, MESSAGES_PROVIDER } from '#data-plane/dialects/messages/messages-codec.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import { isFault } from '#shared/fault.ts';
import { hasRecordings, recordingsOf } from '#test/dialects/provider-recordings.ts';
import { messagesSchemas } from '#test/dialects/published-schemas.ts';
import { unplaced } from '#test/dialects/unplaced-turn.ts';
import { block, TARGET } from './sent-turns.ts';

describe.skipIf(!hasRecordings)('a recorded Messages request sent on (needs the shared material)', () => {
  const schemas = hasRecordings ? messagesSchemas('2023-06-01') : undefined;
  const unpublished =
    /"type":"(mcp_tool_use|advisor_20260301|tool_addition|computer_20250124)"|"mcp_servers"/;
  const requests = recordingsOf('anthropic-messages').flatMap(({ name, status, request }) =>
    request === undefined || status !== 200 || name.includes('count-tokens') ? [] : [{ name, request }],
  );

  it('exists, and the schema can refuse', () => {
    expect(requests.length).toBeGreaterThan(25);
    expect(schemas?.createRequest({ model: 'x', messages: [] })).toBe(false);
  });

  it.each(requests)('$name fits the published schema and keeps its conversation', ({ request }) => {
    const turn = MESSAGES_CLIENT.decodeRequest(request);
    if (isFault(turn)) throw new Error(JSON.stringify(turn));
    const encoded = MESSAGES_PROVIDER.encodeRequest(turn, TARGET);
    if (isFault(encoded)) throw new Error(JSON.stringify(encoded));
    const { body } = encoded;
    expect(normal(objectsOf(body.messages))).toEqual(normal(objectsOf(request.messages)));
    expect(body.max_tokens).toBe(Math.min(Number(request.max_tokens), 64_000));
    expect(body.stream).toBe(request.stream === true ? true : undefined);
    if (!unpublished.test(JSON.stringify(body))) {
      const validate = body.stream === true ? schemas?.createStreamRequest : schemas?.createRequest;
      expect(validate?.(body), JSON.stringify(validate?.errors)).toBe(true);
    }
  });

  it.each(requests)('$name reads the same after it was written', ({ request }) => {
    const turn = MESSAGES_CLIENT.decodeRequest(request);
    if (isFault(turn)) throw new Error(JSON.stringify(turn));
    const encoded = MESSAGES_PROVIDER.encodeRequest(turn, { ...TARGET, maxOutputTokens: undefined });
    if (isFault(encoded)) throw new Error(JSON.stringify(encoded));
    const again = MESSAGES_CLIENT.decodeRequest(encoded.body);
    if (isFault(again)) throw new Error(JSON.stringify(again));
    const {
      reasoning: _,
      tools: __,
      extras: ___,
      format: ____,
      temperature: _____,
      topP: ______,
      ...rest
    } = unplaced(turn);
    expect(again).toMatchObject(rest);
  });

  /** What may differ without meaning: text for a block, defaults said or not, fields that the turn reports as lost. */
  function normal(messages: readonly JsonObject[]): unknown {
    return messages.map(({ role, content }) => ({
      role,
      content: typeof content === 'string' ? [block(content)] : objectsOf(content).map(normalBlock),
    }));
  }

  function normalBlock(given: JsonObject): JsonObject {
    const { citations: _, caller: __, cache_control, is_error, content, ...rest } = given;
    const mark = cache_control === undefined || cache_control === null ? {} : { marked: true };
    const nested =
      content === undefined
        ? {}
        : { content: typeof content === 'string' ? [block(content)] : JSON.parse(JSON.stringify(content)) };
    return { ...rest, ...nested, ...mark, ...(is_error === true ? { is_error } : {}) };
  }
});
