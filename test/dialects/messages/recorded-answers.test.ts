import { describe, expect, it } from 'vitest';
import { objectsOf } from '#data-plane/dialects/json-access.ts';
import { MESSAGES_CLIENT, MESSAGES_PROVIDER } from '#data-plane/dialects/messages/messages-codec.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import { fault } from '#shared/fault.ts';
import { NO_TOKENS } from '#shared/token-usage.ts';
import { hasRecordings, recordingsOf } from '#test/dialects/provider-recordings.ts';
import { messagesSchemas } from '#test/dialects/published-schemas.ts';
import { foldMessage } from './fold-message.ts';
import {
  ANSWER,
  END,
  encodeStream,
  expectBalanced,
  payloadsOf,
  prose,
  START,
  typesOf,
} from './written-answers.ts';

describe.skipIf(!hasRecordings)(
  'a recorded answer written for Messages clients (needs the shared material)',
  () => {
    const schemas = hasRecordings ? messagesSchemas('2026-10-21') : undefined;
    /** Blocks of beta features and the like that the published schema does not hold. */
    const unpublished =
      /"type":"(mcp_tool_use|mcp_tool_result|advisor|advisor_tool_result|compaction)"|"advisor"/;
    const answers = recordingsOf('anthropic-messages').flatMap(({ name, status, sent, whole: body }) => {
      const stream = sent?.map(({ data }) => data);
      const events: TurnEvent[] = [];
      const emit = (event: TurnEvent) => events.push(event);
      if (stream !== undefined) {
        const decoder = MESSAGES_PROVIDER.createStreamDecoder(emit);
        for (const payload of stream) decoder.frame('', payload);
        decoder.end();
      } else if (body?.content !== undefined && status === 200) MESSAGES_PROVIDER.decodeBody(body, emit);
      const source = stream === undefined ? body : foldMessage(stream);
      return events.at(-1)?.kind === 'turn_end' && source !== undefined ? [{ name, events, source }] : [];
    });

    it('exists, and the schema can refuse', () => {
      expect(answers.length).toBeGreaterThan(25);
      expect(schemas?.streamEvent({ type: 'content_block_stop' })).toBe(false);
      expect(schemas?.message({ type: 'message', content: [] })).toBe(false);
    });

    it.each(answers)('$name: stream and body say the same and fit the published schema', ({ events }) => {
      const written = encodeStream(events);
      const folded = foldMessage(payloadsOf(written));
      const body = MESSAGES_CLIENT.encodeBody(ANSWER, events);
      expect(folded).toEqual(body);
      expectBalanced(typesOf(written));
      if (schemas === undefined || unpublished.test(JSON.stringify(body))) return;
      for (const payload of payloadsOf(written)) {
        const event = JSON.parse(payload);
        expect(schemas.streamEvent(event), JSON.stringify([event, schemas.streamEvent.errors])).toBe(true);
      }
      expect(schemas.message(body), JSON.stringify(schemas.message.errors)).toBe(true);
    });

    it.each(answers)(
      '$name: keeps texts, thoughts, signatures and calls of its source',
      ({ events, source }) => {
        const essence = (block: JsonObject) => {
          const { type, text, thinking, signature, data, id, name, input, content } = block;
          return { type, text, thinking, signature, data, id, name, input, content };
        };
        const kept = (blocks: readonly JsonObject[]) =>
          blocks.filter((block) => block.text !== '').map(essence);
        const body = MESSAGES_CLIENT.encodeBody(ANSWER, events);
        const wasCut = source.stop_reason === 'max_tokens';
        if (!wasCut) expect(kept(objectsOf(body.content))).toEqual(kept(objectsOf(source.content)));
        expect(body).toMatchObject({
          stop_reason: source.stop_reason,
          stop_sequence: source.stop_sequence ?? null,
        });
      },
    );

    it('has usage in the schema whatever classes it holds', () => {
      const usage = {
        ...NO_TOKENS,
        input: 1,
        cacheRead: 2,
        cacheWrite5m: 3,
        cacheWrite1h: 4,
        output: 5,
        reasoning: 2,
        serverTools: { web_search: 3 },
      };
      const body = MESSAGES_CLIENT.encodeBody(ANSWER, [START, { kind: 'usage', usage }, ...END]);
      expect(schemas?.message(body)).toBe(true);
      expect(body.usage).toMatchObject({
        input_tokens: 1,
        cache_read_input_tokens: 2,
        cache_creation_input_tokens: 7,
        cache_creation: { ephemeral_5m_input_tokens: 3, ephemeral_1h_input_tokens: 4 },
        output_tokens: 5,
        output_tokens_details: { thinking_tokens: 2 },
        server_tool_use: { web_search_requests: 3, web_fetch_requests: 0 },
      });
    });

    it('fits the schema with citations of any provider', () => {
      const cited: TurnEvent[] = [
        { kind: 'part_citation', index: 0, url: 'https://example.org', title: 'Example', citedText: 'words' },
        { kind: 'part_citation', index: 0, citedText: 'words' },
      ];
      const written = encodeStream([START, ...prose(0, 'text', 'Hi', ...cited), ...END]);
      for (const payload of payloadsOf(written)) {
        const event = JSON.parse(payload);
        expect(schemas?.streamEvent(event), JSON.stringify(event)).toBe(true);
      }
    });

    it('has errors in the shape of the schema', () => {
      const [written] = encodeStream([{ kind: 'turn_fault', fault: fault('provider_error', 'It failed.') }]);
      const error = JSON.parse(payloadsOf([written ?? ''])[0] ?? '{}');
      expect(schemas?.errorResponse(error)).toBe(true);
    });
  },
);
