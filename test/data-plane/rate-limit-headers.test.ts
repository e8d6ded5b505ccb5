import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requestRateRefusal } from '#data-plane/admission/quota-refusals.ts';
import { askChat, messages } from './support/ask-chat.ts';
import { type GatewayUnderTest, MODEL_ID, postChat, startGateway } from './support/gateway-under-test.ts';
import { answersJson } from './support/scripted-provider.ts';

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

const answers = answersJson({ choices: [{ message: { content: 'x' } }] });
const OPENAI = {
  'x-ratelimit-limit-requests': '60',
  'x-ratelimit-remaining-requests': '59',
  'x-ratelimit-reset-requests': '1m1s',
  'x-ratelimit-limit-tokens': '100000',
  'x-ratelimit-remaining-tokens': '99000',
  'x-ratelimit-reset-tokens': '1m1s',
};
const rateHeaders = (headers: Headers) =>
  Object.fromEntries([...headers].filter(([name]) => name.includes('ratelimit')));

describe('the rate-limit headers', () => {
  it('tell OpenAI clients where their key stands, on every answer after admission', async () => {
    const plain = await askChat(gateway, answers);
    expect(rateHeaders(plain.headers)).toEqual(OPENAI);
    const failed = await askChat(gateway, (response) => void response.writeHead(500).end());
    expect([failed.status, rateHeaders(failed.headers)]).toEqual([502, OPENAI]);
    const invalid = await postChat(gateway, { model: MODEL_ID });
    expect([invalid.status, rateHeaders(invalid.headers)]).toEqual([400, {}]);
  });

  it('tell Anthropic clients in their own family, with moments instead of durations', async () => {
    const answer = await fetch(`${gateway.url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': gateway.secret, 'content-type': 'application/json' },
      body: JSON.stringify({ model: MODEL_ID, max_tokens: 5, messages }),
    });
    const { 'anthropic-ratelimit-requests-reset': reset = '', ...headers } = rateHeaders(answer.headers);
    expect(headers).toMatchObject({
      'anthropic-ratelimit-requests-limit': '60',
      'anthropic-ratelimit-requests-remaining': '59',
      'anthropic-ratelimit-tokens-limit': '100000',
      'anthropic-ratelimit-tokens-remaining': '99000',
      'anthropic-ratelimit-tokens-reset': expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    });
    expect(reset).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const aheadMs = Date.parse(reset) - Date.parse(answer.headers.get('date') ?? reset);
    expect(aheadMs % 1_000).toBe(0);
  });

  it('come with the refusal, beside the time after which a retry fits', async () => {
    gateway.quotas.refusal = requestRateRefusal(60, 12_001, {
      ...gateway.quotas.standing,
      remainingRequests: 0,
      requestResetMs: 59_001,
    });
    const answer = await postChat(gateway, { model: MODEL_ID, messages });
    gateway.quotas.refusal = undefined;
    expect(answer.status).toBe(429);
    expect(await answer.json()).toEqual({
      error: {
        message: 'Rate limit exceeded: max 60 requests per minute.',
        type: 'rate_limit_error',
        param: null,
        code: 'rate_limit_exceeded',
      },
    });
    expect(answer.headers.get('retry-after')).toBe('13');
    expect(rateHeaders(answer.headers)).toMatchObject({
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-requests': '1m0s',
    });
  });
});
