import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ProviderProtocol } from '#shared/usage-record.ts';
import { type GatewayUnderTest, startGateway } from './support/gateway-under-test.ts';
import { sendTo } from './support/post-to.ts';
import { addProtocolModel, PROTOCOLS } from './support/protocol-models.ts';
import { answersJson, answersStream } from './support/scripted-provider.ts';
import { answersStep, thinkingProviders } from './support/thinking-providers.ts';

/** What Cursor posts to the chat endpoint: a Responses body, the answer to which it reads as chat. */
const cursorBody = (model: string, stream: boolean, more: readonly object[] = []) => ({
  model,
  input: [
    { role: 'system', content: 'You are a weather station.' },
    { role: 'user', content: [{ type: 'input_text', text: 'What is the weather?' }] },
    ...more,
  ],
  tools: [{ type: 'function', name: 'get_weather', parameters: { type: 'object', properties: {} } }],
  include: ['reasoning.encrypted_content'],
  stream,
  ...(stream ? { stream_options: { include_usage: true } } : {}),
});

let gateway: GatewayUnderTest;
let client: OpenAI;
const models = new Map<ProviderProtocol, string>();
beforeAll(async () => {
  gateway = await startGateway();
  for (const protocol of PROTOCOLS)
    models.set(protocol, addProtocolModel(gateway, protocol, gateway.provider.origin));
  client = new OpenAI({ apiKey: gateway.secret, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
});
afterAll(() => gateway.stop());
beforeEach(() => {
  gateway.provider.requests.length = 0;
  gateway.spool.records.length = 0;
});

describe.each(PROTOCOLS)('a Responses body on the chat endpoint, for a %s provider', (protocol) => {
  const ask = (stream: boolean, more: readonly object[] = []) =>
    cursorBody(
      models.get(protocol) ?? '',
      stream,
      more,
    ) as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming;

  it('is answered as a chat completion', async () => {
    gateway.provider.script = answersStep(thinkingProviders[protocol].step('x', false));
    const completion = await client.chat.completions.create(ask(false));
    expect(completion.object).toBe('chat.completion');
    expect(completion.choices[0]?.finish_reason).toBe('tool_calls');
    const [first, second] = completion.choices[0]?.message.tool_calls ?? [];
    expect([first, second]).toMatchObject([
      { type: 'function', function: { name: 'get_weather' } },
      { type: 'function', function: { name: 'get_weather' } },
    ]);
    expect(gateway.spool.records).toMatchObject([{ dialect: 'chat', lane: 'translate', status: 'success' }]);
  });

  it('is streamed as chat, with usage where it was asked for, and takes the results of its calls', async () => {
    gateway.provider.script = answersStep(thinkingProviders[protocol].step('x', false));
    const chunks = (await client.chat.completions.create(
      ask(true),
    )) as unknown as AsyncIterable<OpenAI.ChatCompletionChunk>;
    const ids: string[] = [];
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of chunks) {
      for (const call of chunk.choices[0]?.delta.tool_calls ?? []) if (call.id) ids.push(call.id);
      usage = chunk.usage ?? usage;
    }
    expect(ids).toHaveLength(2);
    expect(usage?.completion_tokens).toBeGreaterThan(0);

    gateway.provider.script = answersStep(thinkingProviders[protocol].step('y', true));
    const calls = ids.map((call_id) => ({
      type: 'function_call',
      call_id,
      name: 'get_weather',
      arguments: '{}',
    }));
    const results = ids.map((call_id) => ({ type: 'function_call_output', call_id, output: 'sunny' }));
    const completion = await client.chat.completions.create(ask(false, [...calls, ...results]));
    expect(completion.choices[0]?.message.content).toBe('The end.');
    const sent = gateway.provider.requests.at(-1)?.body.toString() ?? '';
    expect(thinkingProviders[protocol].stateIn(JSON.parse(sent)).problems).toEqual([]);
    expect(sent).not.toMatch(/cm[12][._]|cm1id_/);
  });

  it('fails as chat does', async () => {
    gateway.provider.script = answersJson({ error: { message: 'boom' } }, 500);
    await expect(client.chat.completions.create(ask(false))).rejects.toBeInstanceOf(
      OpenAI.InternalServerError,
    );
    gateway.provider.script = answersStream([]);
    const answer = await sendTo(gateway, 'chat', ask(true));
    expect([answer.status, await answer.json()]).toMatchObject([502, { error: { type: 'provider_error' } }]);
  });
});

describe('a body on the chat endpoint', () => {
  it.each<[string, object, string, string]>([
    ['with neither messages nor input', {}, 'invalid_messages', 'messages'],
    ['with messages that are null, and no input', { messages: null }, 'invalid_messages', 'messages'],
    ['with both is chat', { messages: [], input: 'hi' }, 'invalid_messages', 'messages'],
    [
      'with an input that needs stored state',
      { input: 'hi', previous_response_id: 'resp_1' },
      'unsupported_responses_feature',
      'previous_response_id',
    ],
    [
      'with an item of an unknown role',
      { input: [{ role: 'wizard', content: 'x' }] },
      'unsupported_message_role',
      'input[0].role',
    ],
  ])('is refused in the words of the shape that it has: %s', async (_, body, code, param) => {
    const answer = await sendTo(gateway, 'chat', { model: models.get('chat'), ...body });
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: { code, param } }]);
  });
});
