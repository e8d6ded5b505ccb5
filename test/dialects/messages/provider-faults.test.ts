import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { MESSAGES_PROVIDER } from '#data-plane/dialects/messages/messages-codec.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import { hasRecordings, recordingsOf } from '#test/dialects/provider-recordings.ts';

const judge = (status: number, body: JsonObject | string, retryAfterMs?: number) =>
  MESSAGES_PROVIDER.readProviderFault(
    status,
    retryAfterMs,
    Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  );
const error = (type: string, message: string): JsonObject => ({ type: 'error', error: { type, message } });

describe.skipIf(!hasRecordings)('a recorded error of a Messages provider (needs the shared material)', () => {
  const expected: Readonly<Record<string, object>> = {
    'v20-error-400-json': {
      fault: { kind: 'invalid_request', message: expect.stringContaining('prompt is too long') },
      retryable: false,
    },
    'v21-error-401-json': { fault: { kind: 'provider_error' }, retryable: true },
    'v22-error-404-json': { fault: { kind: 'provider_error' }, retryable: true },
    'vx01-error-529-overloaded': { fault: { kind: 'provider_error' }, retryable: true },
    'vx02-error-429-rate-limit': { fault: { kind: 'provider_rate_limited' }, retryable: true },
    'vx03-error-413-no-type-field': { fault: { kind: 'request_too_large' }, retryable: false },
    'vx05-error-400-tool-use-order': { fault: { kind: 'invalid_request' }, retryable: false },
  };
  const errors = recordingsOf('anthropic-messages').flatMap(({ name, status, whole: body }) =>
    status >= 400 && body !== undefined ? [{ name: path.basename(name), status, body }] : [],
  );

  it('is there for every row', () => {
    expect(errors.map(({ name }) => name).sort()).toEqual(Object.keys(expected).sort());
  });

  it.each(errors)('$name is judged', ({ name, status, body }) => {
    const judged = judge(status, body);
    expect(judged).toMatchObject(expected[name] ?? {});
    if (judged.fault.kind !== 'invalid_request' && judged.fault.kind !== 'request_too_large')
      expect(judged.fault.message).not.toContain(String((body.error as JsonObject).message).slice(0, 12));
  });
});

describe('an error of a Messages provider', () => {
  it.each([
    [400, error('invalid_request_error', 'Your credit balance is too low to access the Anthropic API.')],
    [400, error('invalid_request_error', 'This organization has been disabled.')],
    [403, error('permission_error', 'Your API key does not have permission.')],
    [401, error('authentication_error', 'invalid x-api-key')],
    [402, error('billing_error', 'Payment required.')],
    [404, error('not_found_error', 'model: claude-9')],
    [200, error('authentication_error', 'invalid x-api-key')],
    [200, error('overloaded_error', 'Overloaded')],
    [500, error('api_error', 'Internal server error')],
    [502, '<html>Bad gateway</html>'],
    [400, '{}'],
    [200, '[]'],
  ])('with status %i about us says only that the provider failed', (status, body) => {
    const { fault, retryable } = judge(status, body);
    expect(fault).toMatchObject({
      kind: 'provider_error',
      message: expect.stringMatching(/^The model provider/),
    });
    expect(retryable).toBe(true);
  });

  it("about the client's request is passed on in the provider's words, cut to a bound", () => {
    const { fault } = judge(200, error('invalid_request_error', `max_tokens: too large${'!'.repeat(5_000)}`));
    expect(fault.kind).toBe('invalid_request');
    expect(fault.message).toMatch(/^max_tokens: too large/);
    expect(fault.message.length).toBeLessThanOrEqual(2_000);
  });

  it('about a limit says when to retry and nothing about our organization', () => {
    const { fault } = judge(429, error('rate_limit_error', 'your organization (0000) of 40,000'), 7_000);
    expect(fault).toMatchObject({ kind: 'provider_rate_limited', retryAfterMs: 7_000 });
    expect(fault.message).not.toContain('organization');
  });
});
