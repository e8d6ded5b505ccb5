import { beforeAll, describe, expect, it } from 'vitest';
import { departuresFrom } from '#test/fakes/chat-wire-schemas.ts';
import { scriptInMessage } from '#test/fakes/mock-script.ts';
import { ANTHROPIC_ROWS, ERROR_ROWS } from './error-rows.ts';
import {
  bearer,
  type Customer,
  callV1,
  MOCK_MODEL,
  newCustomer,
  type Outside,
  sdkFor,
  type V1Answer,
} from './outside.ts';

const OWN_WORDS_OF_OTHERS = /sk-|Mock provider|127\.0\.0\.1|ECONN|node_modules/;

export function errorCases(outside: () => Outside): void {
  describe('the documented errors', () => {
    let customer: Customer;
    beforeAll(async () => {
      customer = await newCustomer(outside(), { rpmLimit: 5_000, tpmLimit: 100_000_000 });
    });
    const expectRequestId = ({ headers }: V1Answer): void => {
      expect(headers['x-request-id']).toMatch(/^req_cm_[0-9a-f]{32}$/);
      expect(headers['request-id']).toBe(headers['x-request-id']);
      expect(headers['content-type']).toContain('application/json');
    };

    it.each(ERROR_ROWS.map((row) => [row.name, row] as const))(
      '%s',
      { timeout: 30_000 },
      async (_, { documented, provoke }) => {
        const answer = await provoke(outside(), customer);
        const { status, message, ...fields } = documented;
        expect([answer.status, answer.json], answer.text).toMatchObject([status, { error: fields }]);
        expect(departuresFrom('error', answer.json)).toEqual([]);
        if (message) expect((answer.json as { error: { message: string } }).error.message).toMatch(message);
        expect(answer.text).not.toMatch(OWN_WORDS_OF_OTHERS);
        expectRequestId(answer);
      },
    );

    it.each(ANTHROPIC_ROWS.map((row) => [row.name, row] as const))(
      'in the Anthropic shape: %s',
      async (_, row) => {
        const headers = { 'x-api-key': row.goodKey ? customer.apiKey : 'cm-unknown' };
        const answer = await callV1(outside().product, { path: row.path, headers });
        expect(answer.status).toBe(row.status);
        expect(answer.json).toEqual({
          type: 'error',
          error: {
            type: row.type,
            message: row.message ? expect.stringMatching(row.message) : expect.any(String),
          },
          request_id: answer.headers['x-request-id'],
        });
        expectRequestId(answer);
      },
    );

    it('a failure in the middle of a stream is a data event with an error, and no end mark follows', async () => {
      for (const kind of ['reset', 'end', 'garbage', 'error_event'] as const) {
        const content = scriptInMessage({ chunks: 8, chunkDelayMs: 25, fault: { kind, afterChunks: 4 } });
        const answer = await callV1(outside().product, {
          path: '/v1/chat/completions',
          headers: bearer(customer.apiKey),
          body: { model: MOCK_MODEL, stream: true, messages: [{ role: 'user', content }] },
        });
        expect(answer.status).toBe(200);
        const events = answer.text.trim().split('\n\n');
        // Four were sent; a connection that breaks may take the last of them with it.
        const contents = events.filter((event) => event.includes('"content":"w'));
        expect(contents.length).toBeGreaterThanOrEqual(kind === 'reset' || kind === 'end' ? 1 : 4);
        const last: unknown = JSON.parse((events.at(-1) ?? '').replace(/^data: /, ''));
        expect(last).toMatchObject({
          error: { type: 'provider_error', code: 'provider_error', param: null },
        });
        expect(answer.text).not.toContain('[DONE]');
      }
    });

    it('a body beyond the limit is 413', async () => {
      const { product } = outside();
      const tooLong = 'x'.repeat(40 * 1024 * 1024);
      const failing = sdkFor(product, customer.apiKey).chat.completions.create({
        model: MOCK_MODEL,
        messages: [{ role: 'user', content: tooLong }],
      });
      await expect(failing).rejects.toMatchObject({
        status: 413,
        code: 'request_too_large',
        type: 'invalid_request_error',
      });
    });

    it('an unknown address is 404 in the shape of an error', async () => {
      const answer = await callV1(outside().product, {
        path: '/v1/nothing',
        headers: bearer(customer.apiKey),
      });
      expect(answer.status).toBe(404);
      expect(departuresFrom('error', answer.json)).toEqual([]);
    });
  });
}
