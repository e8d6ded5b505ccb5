import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fault } from '#shared/fault.ts';
import { type GatewayUnderTest, MODEL_ID, startGateway } from './support/gateway-under-test.ts';
import { answersJson, answersStream } from './support/scripted-provider.ts';

const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'hello' }];
const piece = (delta: object, finish: string | null = null): string =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'p', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const USAGE =
  'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"p","choices":[],"usage":{"prompt_tokens":4,"completion_tokens":2,"total_tokens":6}}\n\n';
const DONE = 'data: [DONE]\n\n';
const tools: OpenAI.ChatCompletionTool[] = [
  {
    type: 'function',
    function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
  },
];

let gateway: GatewayUnderTest;
let client: OpenAI;
beforeAll(async () => {
  gateway = await startGateway();
  client = new OpenAI({ apiKey: gateway.secret, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
});
afterAll(() => gateway.stop());

describe('the official OpenAI SDK', () => {
  it('completes a chat', async () => {
    gateway.provider.script = answersJson({
      id: 'c',
      object: 'chat.completion',
      created: 1,
      model: 'p',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'hi', refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
    });
    const { data, response, request_id } = await client.chat.completions
      .create({ model: MODEL_ID, messages })
      .withResponse();
    expect(data.choices[0]?.message.content).toBe('hi');
    expect(data.model).toBe(MODEL_ID);
    expect(request_id).toBe(response.headers.get('request-id'));
  });

  it('streams a chat and its usage', async () => {
    gateway.provider.script = answersStream(
      [
        piece({ role: 'assistant' }),
        piece({ content: 'Hel' }),
        piece({ content: 'lo' }),
        piece({}, 'stop'),
        USAGE,
        DONE,
      ],
      1,
    );
    const stream = await client.chat.completions.create({
      model: MODEL_ID,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let tokens = 0;
    for await (const part of stream) {
      expect(part.model).toBe(MODEL_ID);
      text += part.choices[0]?.delta.content ?? '';
      tokens = part.usage?.total_tokens ?? tokens;
    }
    expect([text, tokens]).toEqual(['Hello', 6]);
  });

  it('runs a tool and sends its result back', async () => {
    let turn = 0;
    gateway.provider.script = (response, request) => {
      turn += 1;
      const pieces =
        turn === 1
          ? [
              piece({
                role: 'assistant',
                tool_calls: [
                  { index: 0, id: 'call_1', type: 'function', function: { name: 'weather', arguments: '' } },
                ],
              }),
              piece({ tool_calls: [{ index: 0, function: { arguments: '{"city":"Rome"}' } }] }),
              piece({}, 'tool_calls'),
              DONE,
            ]
          : [piece({ role: 'assistant', content: 'Sunny.' }), piece({}, 'stop'), DONE];
      return answersStream(pieces)(response, request);
    };
    const runner = client.chat.completions.runTools({
      model: MODEL_ID,
      stream: true,
      messages,
      tools: [
        {
          type: 'function',
          function: {
            name: 'weather',
            description: 'w',
            parse: JSON.parse,
            parameters: { type: 'object', properties: {} },
            function: ({ city }: { city: string }) => `sun in ${city}`,
          },
        },
      ],
    });
    expect(await runner.finalContent()).toBe('Sunny.');
    const second = JSON.parse(gateway.provider.requests.at(-1)?.body.toString() ?? '{}');
    expect(second.messages.at(-1)).toEqual({ role: 'tool', tool_call_id: 'call_1', content: 'sun in Rome' });
  });

  it('lists and retrieves models', async () => {
    const ids: string[] = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids).toEqual([MODEL_ID]);
    expect((await client.models.retrieve(MODEL_ID)).id).toBe(MODEL_ID);
  });

  it('raises its own error classes', async () => {
    const create = (body: object): Promise<unknown> =>
      client.chat.completions.create({ model: MODEL_ID, messages, ...body });
    await expect(create({ model: 'foo/bar' })).rejects.toThrow(OpenAI.NotFoundError);
    await expect(create({ tools: tools.map((tool) => ({ ...tool, type: 'x' })) })).rejects.toThrow(
      OpenAI.BadRequestError,
    );
    gateway.quotas.refusal = fault('rate_limit_exceeded', 'Rate limit exceeded: max 60 requests per minute.');
    await expect(create({})).rejects.toThrow(OpenAI.RateLimitError);
    gateway.quotas.refusal = undefined;
    const stranger = new OpenAI({ apiKey: 'cm-x', baseURL: `${gateway.url}/v1`, maxRetries: 0 });
    await expect(stranger.models.list()).rejects.toThrow(OpenAI.AuthenticationError);
    gateway.provider.script = answersJson('{}', 500);
    await expect(create({})).rejects.toMatchObject({
      status: 502,
      code: 'provider_error',
      type: 'provider_error',
    });
  });

  it('raises an error for a stream that breaks', async () => {
    gateway.provider.script = answersStream([piece({ content: 'Hel' })]);
    const stream = await client.chat.completions.create({ model: MODEL_ID, messages, stream: true });
    let text = '';
    const reading = (async () => {
      for await (const part of stream) text += part.choices[0]?.delta.content ?? '';
    })();
    await expect(reading).rejects.toMatchObject({ code: 'provider_error' });
    expect(text).toBe('Hel');
  });
});
