import { Ajv2020 } from 'ajv/dist/2020.js';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '#data-plane/sandbox/server.ts';
import { systemClock } from '#shared/clock.ts';
import { departuresFrom } from '#test/fakes/chat-wire-schemas.ts';

type Body = OpenAI.ChatCompletionCreateParamsNonStreaming;
type Messages = Body['messages'];

let sandbox: Sandbox;
let client: OpenAI;
beforeAll(async () => {
  sandbox = await startSandbox(
    0,
    { firstTokenMs: 0, tokensPerSecond: Number.POSITIVE_INFINITY },
    systemClock,
  );
  client = new OpenAI({ baseURL: sandbox.baseUrl, apiKey: 'none', maxRetries: 0 });
});
afterAll(() => sandbox.close());

const model = 'deepseek-v4-pro';
const says = (content: string): Messages => [{ role: 'user', content }];
const weatherTool = functionTool('get_weather', { city: { type: 'string' } }, ['city']);
const timeTool = functionTool('get_time', { zone: { type: 'string' } }, ['zone']);

function functionTool(
  name: string,
  properties: object,
  required: string[],
): OpenAI.ChatCompletionFunctionTool {
  return { type: 'function', function: { name, parameters: { type: 'object', properties, required } } };
}

async function complete(messages: Messages, extra: Partial<Body> = {}): Promise<OpenAI.ChatCompletion> {
  const completion = await client.chat.completions.create({ model, messages, ...extra });
  expect(departuresFrom('completion', completion)).toEqual([]);
  return completion;
}

/** The stream as the wire carries it, each chunk checked, and its text and arguments put together. */
async function stream(messages: Messages, extra: object = {}) {
  const response = await fetch(`${sandbox.baseUrl}/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model, messages, stream: true, ...extra }),
  });
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const events = (await response.text()).trimEnd().split('\n\n');
  expect(events.every((event) => event.startsWith('data: '))).toBe(true);
  expect(events.at(-1)).toBe('data: [DONE]');
  const chunks = events.slice(0, -1).map((event) => JSON.parse(event.slice(6)) as OpenAI.ChatCompletionChunk);
  for (const chunk of chunks) expect(departuresFrom('chunk', chunk)).toEqual([]);
  const deltas = chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.delta));
  return {
    chunks,
    text: deltas.map((delta) => delta.content ?? '').join(''),
    argumentsText: deltas
      .flatMap((delta) => delta.tool_calls ?? [])
      .map((call) => call.function?.arguments ?? '')
      .join(''),
    finishReasons: chunks
      .flatMap((chunk) => chunk.choices.map((choice) => choice.finish_reason))
      .filter(Boolean),
  };
}

describe('what the sandbox says', () => {
  it('names itself and repeats what it is told to say', async () => {
    const completion = await complete(says('Say this is a test'));
    expect(completion.choices[0]?.message.content).toMatch(/^This is a test\..*CrossModel sandbox/s);
    expect(completion.model).toBe(model);
    const greeting = await complete(says('Say hello in five words.'));
    expect(greeting.choices[0]?.message.content).toBe('Hello from the CrossModel sandbox.');
  });

  it('gives the same words for the same request, streamed or not', async () => {
    const plain = await complete(says('Name three reasons to write tests'));
    const streamed = await stream(says('Name three reasons to write tests'));
    expect(streamed.text).toBe(plain.choices[0]?.message.content);
    expect(streamed.finishReasons).toEqual(['stop']);
    expect(streamed.chunks.length).toBeGreaterThan(10);
  });

  it('cuts before a stop sequence and at the output limit, and says which', async () => {
    const stopped = await complete(says('Explain streams'), { stop: ['sandbox'] });
    expect(stopped.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { content: 'This is the CrossModel ' },
    });
    const limited = await complete(says('Explain streams'), { max_tokens: 500, max_completion_tokens: 4 });
    expect(limited.choices[0]?.finish_reason).toBe('length');
    expect(limited.usage?.completion_tokens).toBe(4);
  });

  it('gives as many answers as asked for', async () => {
    const completion = await complete(says('Explain streams'), { n: 3 });
    expect(completion.choices.map((choice) => choice.index)).toEqual([0, 1, 2]);
    const streamed = await stream(says('Explain streams'), { n: 2 });
    expect(streamed.finishReasons).toHaveLength(2);
  });

  it('answers in JSON that satisfies the schema it was given', async () => {
    const schema = {
      type: 'object',
      properties: {
        title: { type: 'string', maxLength: 20 },
        kind: { enum: ['bug', 'feature'] },
        code: { type: 'string', pattern: '^[A-Z]{3}-\\d{2,4}$' },
        when: { type: 'string', format: 'date' },
        scores: { type: 'array', items: { type: 'integer', minimum: 3, maximum: 9 }, minItems: 3 },
        parent: { anyOf: [{ $ref: '#' }, { type: 'null' }] },
      },
      required: ['title', 'kind', 'code', 'when', 'scores', 'parent'],
      additionalProperties: false,
    };
    const completion = await complete(says('File a feature request'), {
      response_format: { type: 'json_schema', json_schema: { name: 'ticket', strict: true, schema } },
    });
    const value: unknown = JSON.parse(completion.choices[0]?.message.content ?? '');
    expect(
      new Ajv2020({ strict: false, formats: { date: /^\d{4}-\d\d-\d\d$/ } }).validate(schema, value),
    ).toBe(true);
    expect(value).toMatchObject({ kind: 'feature' });
    const anyJson = await complete(says('json please'), { response_format: { type: 'json_object' } });
    expect(JSON.parse(anyJson.choices[0]?.message.content ?? '')).toHaveProperty('answer');
  });
});

describe('how the sandbox calls tools', () => {
  it('calls the function that a question is about and tells its result afterwards', async () => {
    const messages = says("What's the weather in Paris?");
    const asking = await complete(messages, { tools: [weatherTool, timeTool] });
    const call = asking.choices[0]?.message.tool_calls?.[0];
    expect(asking.choices[0]).toMatchObject({ finish_reason: 'tool_calls', message: { content: null } });
    expect(call).toMatchObject({ function: { name: 'get_weather', arguments: '{"city":"Paris"}' } });
    const answer = await complete(
      [
        ...messages,
        { role: 'assistant', content: null, tool_calls: call ? [call] : [] },
        { role: 'tool', tool_call_id: call?.id ?? '', content: '{"celsius":18}' },
      ],
      { tools: [weatherTool, timeTool] },
    );
    expect(answer.choices[0]?.message.content).toContain('get_weather returned celsius: 18');
  });

  it('streams arguments in fragments', async () => {
    const streamed = await stream(says('weather in Rio de Janeiro?'), { tools: [weatherTool] });
    expect(streamed.argumentsText).toBe('{"city":"Rio de Janeiro"}');
    expect(streamed.chunks.length).toBeGreaterThan(4);
  });

  it('calls two functions at once when both are asked for, and one when parallel calls are off', async () => {
    const messages = says('Give me the weather and the time in Oslo');
    const both = await complete(messages, { tools: [weatherTool, timeTool] });
    expect(both.choices[0]?.message.tool_calls).toHaveLength(2);
    const one = await complete(messages, { tools: [weatherTool, timeTool], parallel_tool_calls: false });
    expect(one.choices[0]?.message.tool_calls).toHaveLength(1);
  });

  it('makes exactly the calls that a message spells out, step by step, and then tells what came back', async () => {
    const messages = says(
      'sandbox:call:get_weather [{"city":"Paris"},{"city":"Oslo"}]\nsandbox:call:get_time {"zone":"UTC"}',
    );
    const tools = [weatherTool, timeTool];
    const answers = async (rounds: number): Promise<unknown> => {
      for (let round = 0; ; round += 1) {
        const { choices } = await complete(messages, { tools });
        const message = choices[0]?.message;
        if (!message || round === rounds)
          return (
            message?.tool_calls?.map((call) => call.type === 'function' && call.function) ?? message?.content
          );
        messages.push(message);
        for (const call of message.tool_calls ?? [])
          messages.push({ role: 'tool', tool_call_id: call.id, content: 'fine' });
      }
    };
    expect(await answers(0)).toEqual([
      { name: 'get_weather', arguments: '{"city":"Paris"}' },
      { name: 'get_weather', arguments: '{"city":"Oslo"}' },
    ]);
    expect(await answers(1)).toEqual([{ name: 'get_time', arguments: '{"zone":"UTC"}' }]);
    expect(await answers(1)).toContain('get_time returned fine');
  });

  it('calls none of the many tools of an agent over one word in common with a description', async () => {
    const tools = Array.from({ length: 6 }, (_, index) => ({
      type: 'function' as const,
      function: { name: `act_${index}`, description: 'Runs code in a folder', parameters: {} },
    }));
    const { choices } = await complete(says('What is code?'), { tools });
    expect(choices[0]?.message.tool_calls).toBeUndefined();
  });

  it('obeys tool_choice', async () => {
    const tools = [weatherTool, timeTool];
    const called = async (tool_choice: Body['tool_choice']) =>
      (
        await complete(says('hey there'), { tools, ...(tool_choice ? { tool_choice } : {}) })
      ).choices[0]?.message.tool_calls?.map((call) => call.type === 'function' && call.function.name);
    expect(await called('auto')).toBeUndefined();
    expect(await called('none')).toBeUndefined();
    expect(await called('required')).toEqual(['get_weather']);
    expect(await called({ type: 'function', function: { name: 'get_time' } })).toEqual(['get_time']);
  });
});

describe('what the sandbox counts', () => {
  it('states usage in a stream only when asked to, in a last chunk without choices', async () => {
    const silent = await stream(says('hello'));
    expect(silent.chunks.every((chunk) => !('usage' in chunk))).toBe(true);
    const counted = await stream(says('hello'), { stream_options: { include_usage: true } });
    expect(counted.chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 8 } });
    expect(counted.chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
  });

  it('counts a long prompt that it has seen before as cached', async () => {
    const messages: Messages = [
      { role: 'system', content: 'All work and no play. '.repeat(400) },
      ...says('Go on'),
    ];
    const first = await complete(messages);
    const second = await complete([
      ...messages,
      { role: 'assistant', content: 'Done' },
      ...says('Once more'),
    ]);
    expect(first.usage?.prompt_tokens_details?.cached_tokens).toBe(0);
    expect(second.usage?.prompt_tokens_details?.cached_tokens).toBeGreaterThanOrEqual(1024);
    expect(second.usage?.prompt_tokens).toBeGreaterThan(
      second.usage?.prompt_tokens_details?.cached_tokens ?? 0,
    );
  });

  it('counts reasoning inside the output and its limit', async () => {
    const thinking = await complete(says('Explain streams'), { reasoning_effort: 'high' });
    const reasoning = thinking.usage?.completion_tokens_details?.reasoning_tokens ?? 0;
    expect(reasoning).toBeGreaterThan(0);
    expect(thinking.usage?.completion_tokens).toBeGreaterThan(reasoning);
    const limited = await complete(says('Explain streams'), {
      reasoning_effort: 'high',
      max_completion_tokens: 40,
    });
    expect(limited.usage?.completion_tokens).toBe(40);
  });

  it('lists log probabilities token by token when asked', async () => {
    const completion = await complete(says('Say yes'), { logprobs: true, top_logprobs: 2 });
    const entries = completion.choices[0]?.logprobs?.content ?? [];
    expect(entries.map((entry) => entry.token).join('')).toBe(completion.choices[0]?.message.content);
    expect(entries.every((entry) => entry.top_logprobs.length === 2)).toBe(true);
  });
});

describe('how the sandbox fails when told to', () => {
  it('answers with the error status that a message names', async () => {
    const failing = client.chat.completions.create({ model, messages: says('sandbox:error:429') });
    await expect(failing).rejects.toThrow(OpenAI.RateLimitError);
  });

  it('does nothing of the kind when the words are only part of a message', async () => {
    const completion = await complete(says('What does sandbox:error:429 do?'));
    expect(completion.choices[0]?.finish_reason).toBe('stop');
  });

  it('fails in the middle of a stream with an error event, a reset or garbage', async () => {
    const consume = async (content: string): Promise<number> => {
      let chunks = 0;
      for await (const _ of await client.chat.completions.create({
        model,
        messages: says(content),
        stream: true,
      }))
        chunks += 1;
      return chunks;
    };
    await expect(consume('sandbox:error:stream')).rejects.toThrow(OpenAI.APIError);
    await expect(consume('sandbox:error:reset')).rejects.toThrow();
    await expect(consume('sandbox:error:garbage')).rejects.toThrow(SyntaxError);
  });

  it('refuses a request that OpenAI would refuse, naming the field', async () => {
    const response = await fetch(`${sandbox.baseUrl}/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model, messages: [{ role: 'robot', content: 'x' }] }),
    });
    const body: unknown = await response.json();
    expect(response.status).toBe(400);
    expect(departuresFrom('error', body)).toEqual([]);
    expect(body).toMatchObject({ error: { type: 'invalid_request_error', param: 'messages[0].role' } });
  });
});

it('takes the time a model would take', async () => {
  const slow = await startSandbox(0, { firstTokenMs: 80, tokensPerSecond: 200 }, systemClock);
  const startedAtMs = systemClock.monotonicMs();
  const patient = new OpenAI({ baseURL: slow.baseUrl, apiKey: 'none', maxRetries: 0 });
  const arrivals: number[] = [];
  for await (const _ of await patient.chat.completions.create({
    model,
    messages: says('sandbox:tokens:40'),
    stream: true,
  }))
    arrivals.push(systemClock.monotonicMs() - startedAtMs);
  expect(arrivals[0]).toBeGreaterThanOrEqual(75);
  expect(arrivals.at(-1)).toBeGreaterThanOrEqual(80 + 200 - 15);
  await slow.close();
});
