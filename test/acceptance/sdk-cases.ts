import OpenAI from 'openai';
import { beforeAll, describe, expect, it } from 'vitest';
import { departuresFrom } from '#test/fakes/chat-wire-schemas.ts';
import { scriptInMessage } from '#test/fakes/mock-script.ts';
import { type Customer, MOCK_MODEL, newCustomer, type Outside, SANDBOX_MODEL, sdkFor } from './outside.ts';

const weatherParameters = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
};
const weatherTool: OpenAI.ChatCompletionFunctionTool = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'Current weather of a city',
    parameters: weatherParameters,
  },
};

export function sdkCases(outside: () => Outside): void {
  describe('the official OpenAI SDK', () => {
    let customer: Customer;
    let client: OpenAI;
    beforeAll(async () => {
      customer = await newCustomer(outside(), { rpmLimit: 1_000, tpmLimit: 10_000_000 });
      client = sdkFor(outside().product, customer.apiKey);
    });

    for (const model of [SANDBOX_MODEL, MOCK_MODEL]) {
      it(`completes a chat with ${model}`, async () => {
        const { data, response, request_id } = await client.chat.completions
          .create({ model, messages: [{ role: 'user', content: 'Say this is a test' }] })
          .withResponse();
        expect(departuresFrom('completion', data)).toEqual([]);
        expect(data).toMatchObject({ model, choices: [{ finish_reason: 'stop' }] });
        expect(data.choices[0]?.message.content).not.toBe('');
        expect(request_id).toMatch(/^req_cm_[0-9a-f]{32}$/);
        expect(response.headers.get('request-id')).toBe(request_id);
        expect(response.headers.get('x-crossmodel-model')).toBe(model);
      });

      it(`streams a chat with ${model}, every chunk naming the model that was asked for`, async () => {
        const stream = await client.chat.completions.create({
          model,
          messages: [{ role: 'user', content: 'Say this is a test' }],
          stream: true,
          stream_options: { include_usage: true },
        });
        const chunks = await collect(stream);
        for (const chunk of chunks) expect(departuresFrom('chunk', chunk)).toEqual([]);
        expect(new Set(chunks.map((chunk) => chunk.model))).toEqual(new Set([model]));
        expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: expect.any(Number) } });
        expect(chunks.some((chunk) => chunk.choices[0]?.finish_reason === 'stop')).toBe(true);
      });
    }

    it('hides the usage chunk from a client that did not ask for it', async () => {
      for (const model of [SANDBOX_MODEL, MOCK_MODEL]) {
        const messages = [{ role: 'user' as const, content: 'hello' }];
        const chunks = await collect(await client.chat.completions.create({ model, messages, stream: true }));
        expect(chunks.every((chunk) => chunk.choices.length === 1 && !chunk.usage)).toBe(true);
      }
    });

    it('runs a loop of tool calls to its end', async () => {
      const cities: unknown[] = [];
      const runner = client.chat.completions.runTools({
        model: SANDBOX_MODEL,
        messages: [{ role: 'user', content: "What's the weather in Lisbon?" }],
        tools: [
          {
            type: 'function',
            function: {
              name: 'get_weather',
              description: 'Current weather of a city',
              parameters: weatherParameters,
              parse: (text: string): unknown => JSON.parse(text),
              function: (city: unknown) => {
                cities.push(city);
                return { celsius: 23 };
              },
            },
          },
        ],
      });
      expect(await runner.finalContent()).toContain('celsius: 23');
      expect(cities).toEqual([{ city: 'Lisbon' }]);
    });

    it('gets streamed tool calls in fragments that add up', async () => {
      const argumentsJson = '{"city":"Porto","note":"fragmented"}';
      const script = { toolCalls: [{ name: 'get_weather', argumentsJson }], writeBytes: 11 };
      const runner = client.chat.completions.stream({
        model: MOCK_MODEL,
        messages: [{ role: 'user', content: scriptInMessage(script) }],
        tools: [weatherTool],
      });
      const { choices } = await runner.finalChatCompletion();
      expect(choices[0]?.finish_reason).toBe('tool_calls');
      expect(choices[0]?.message.tool_calls?.[0]).toMatchObject({
        function: { name: 'get_weather', arguments: argumentsJson },
      });
    });

    it('lists the catalog and retrieves a model whose id has a slash', async () => {
      const ids = (await collect(client.models.list())).map((model) => model.id);
      expect(ids).toEqual(
        expect.arrayContaining([
          SANDBOX_MODEL,
          MOCK_MODEL,
          'deepseek/deepseek-chat',
          'anthropic/claude-sonnet-4.6',
        ]),
      );
      const model = await client.models.retrieve(SANDBOX_MODEL);
      expect(model).toMatchObject({
        id: SANDBOX_MODEL,
        object: 'model',
        type: 'model',
        owned_by: 'deepseek',
      });
    });

    it('says in a header which answers are of the sandbox', async () => {
      const sandboxHeaderOf = async (model: string) => {
        const request = client.chat.completions.create({
          model,
          messages: [{ role: 'user', content: 'hello' }],
        });
        const names = [...(await request.asResponse()).headers].map(([name]) => name);
        return names.filter((name) => name.includes('sandbox'));
      };
      expect(await sandboxHeaderOf(SANDBOX_MODEL)).toHaveLength(1);
      expect(await sandboxHeaderOf(MOCK_MODEL)).toEqual([]);
    });

    it.each<[string, new (...parts: never[]) => Error, () => Promise<unknown>]>([
      [
        'AuthenticationError',
        OpenAI.AuthenticationError,
        () => sdkFor(outside().product, 'cm-wrong').models.list(),
      ],
      ['NotFoundError', OpenAI.NotFoundError, () => client.models.retrieve('foo/bar')],
      [
        'BadRequestError',
        OpenAI.BadRequestError,
        () => client.chat.completions.create({ model: MOCK_MODEL, messages: [] }),
      ],
      [
        'RateLimitError',
        OpenAI.RateLimitError,
        () =>
          client.chat.completions.create({
            model: MOCK_MODEL,
            messages: [{ role: 'user', content: scriptInMessage({ status: 429 }) }],
          }),
      ],
      [
        'InternalServerError',
        OpenAI.InternalServerError,
        () =>
          client.chat.completions.create({
            model: MOCK_MODEL,
            messages: [{ role: 'user', content: scriptInMessage({ status: 500 }) }],
          }),
      ],
    ])('throws its %s with a request id', async (_, errorClass, call) => {
      const error: unknown = await call().then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(errorClass);
      expect((error as InstanceType<typeof OpenAI.APIError>).requestID).toMatch(/^req_cm_/);
    });

    it('throws when a stream fails in the middle', async () => {
      const consume = async (): Promise<void> => {
        const content = scriptInMessage({
          chunks: 6,
          chunkDelayMs: 30,
          fault: { kind: 'reset', afterChunks: 3 },
        });
        const stream = await client.chat.completions.create({
          model: MOCK_MODEL,
          messages: [{ role: 'user', content }],
          stream: true,
        });
        for await (const _ of stream);
      };
      await expect(consume()).rejects.toThrow(OpenAI.APIError);
    });
  });
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}
