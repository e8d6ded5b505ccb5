import OpenAI from 'openai';
import type {
  Response as ModelResponse,
  ResponseCreateParamsNonStreaming,
  ResponseInputItem,
  ResponseOutputItem,
  ResponseStreamEvent,
} from 'openai/resources/responses/responses';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '#data-plane/sandbox/server.ts';
import { systemClock } from '#shared/clock.ts';
import { hasRecordings, recordingsOf, sentEvents } from '#test/dialects/provider-recordings.ts';
import { openAiResponsesSchemas } from '#test/dialects/published-schemas.ts';

type Extra = Omit<Partial<ResponseCreateParamsNonStreaming>, 'stream'>;

let sandbox: Sandbox;
let client: OpenAI;
beforeAll(async () => {
  const pace = { firstTokenMs: 0, tokensPerSecond: Number.POSITIVE_INFINITY };
  sandbox = await startSandbox(0, pace, systemClock);
  client = new OpenAI({ baseURL: sandbox.baseUrl, apiKey: 'not-a-key', maxRetries: 0 });
});
afterAll(() => sandbox.close());

const model = 'gpt-5.5';
const thinking: Extra = {
  reasoning: { effort: 'low', summary: 'auto' },
  include: ['reasoning.encrypted_content'],
};
const tools: Extra['tools'] = [
  {
    type: 'function',
    name: 'get_weather',
    strict: true,
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
  { type: 'web_search' },
];

function complete(input: string | ResponseInputItem[], extra: Extra = {}): Promise<ModelResponse> {
  return client.responses.create({ model, input, ...extra });
}

/** The stream as it is on the wire. */
async function stream(input: string, extra: Extra = {}) {
  const body = JSON.stringify({ model, input, stream: true, ...extra });
  const response = await fetch(`${sandbox.baseUrl}/responses`, { method: 'POST', body });
  const bytes = Buffer.from(await response.arrayBuffer());
  return sentEvents(bytes).map(({ name, data }) => {
    if (name === '') throw new Error(`an event without a name: ${data}`);
    return { name, event: JSON.parse(data) as ResponseStreamEvent };
  });
}

/** Status and error of an answer; status 200 for one that was no refusal. */
async function refusalOf(body: object) {
  const response = await fetch(`${sandbox.baseUrl}/responses`, {
    method: 'POST',
    body: JSON.stringify({ model, ...body }),
  });
  const { error } = (await response.json()) as { error: Record<string, unknown> | null };
  return { status: response.status, code: error?.code, type: error?.type };
}

/** Items without what is new each time and what only the client adds. */
function essence(items: readonly ResponseOutputItem[]): unknown {
  const passing = new Set(['id', 'call_id', 'encrypted_content', 'parsed', 'parsed_arguments']);
  return JSON.parse(JSON.stringify(items, (name, value) => (passing.has(name) ? undefined : value)));
}

describe('the Responses protocol of the sandbox', () => {
  it('streams what it gives whole, to the official client', async () => {
    for (const input of ["What's the weather in Paris and Oslo?", 'Name three reasons', 'sandbox:refusal']) {
      const extra: Extra = { ...thinking, tools };
      const whole = await complete(input, extra);
      const streamed = await client.responses.stream({ model, input, ...extra }).finalResponse();
      expect(streamed.status).toBe('completed');
      expect(streamed.output.length).toBeGreaterThan(1);
      expect(essence(streamed.output)).toEqual(essence(whole.output));
      expect(streamed.output_text).toBe(whole.output_text);
    }
  });

  it('numbers events from 0, names them by type and tells the whole life of every item', async () => {
    const sent = await stream('weather in Oslo?', { ...thinking, tools });
    expect(sent.map(({ event }) => event.sequence_number)).toEqual(sent.map((_, index) => index));
    expect(sent.map(({ name }) => name)).toEqual(sent.map(({ event }) => event.type));
    const isDelta = (type: string): boolean => type.endsWith('.delta');
    expect(sent.map(({ name }) => name).filter((name) => !isDelta(name))).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.reasoning_summary_part.added',
      'response.reasoning_summary_text.done',
      'response.reasoning_summary_part.done',
      'response.output_item.done',
      'response.output_item.added',
      'response.function_call_arguments.done',
      'response.output_item.done',
      'response.completed',
    ]);
    const [first, last] = [sent[0]?.event, sent.at(-1)?.event];
    if (first?.type !== 'response.created' || last?.type !== 'response.completed')
      throw new Error('no frame');
    expect(last.response.id).toBe(first.response.id);
    const done = sent.flatMap(({ event }) =>
      event.type === 'response.output_item.done' ? [event.item] : [],
    );
    expect(last.response.output).toEqual(done);
    const text = (await stream('Explain streams')).map(({ name }) => name).filter((name) => !isDelta(name));
    expect(text.slice(2, -1)).toEqual([
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
    ]);
  });

  it('calls functions and tells the results that come back', async () => {
    const question: ResponseInputItem = { role: 'user', content: "What's the weather in Paris?" };
    const asking = await complete([question], { ...thinking, tools });
    const call = asking.output.at(-1);
    if (call?.type !== 'function_call') throw new Error('no call');
    expect(call).toMatchObject({ name: 'get_weather', arguments: '{"city":"Paris"}', status: 'completed' });
    const result: ResponseInputItem = {
      type: 'function_call_output',
      call_id: call.call_id,
      output: '{"celsius":18}',
    };
    const input = [question, ...(asking.output as ResponseInputItem[]), result];
    const told = await complete(input, { tools });
    expect(told.output_text).toContain('get_weather returned celsius: 18');
    const named = await complete('Hello', { tools, tool_choice: { type: 'function', name: 'get_weather' } });
    expect(named.output.map((item) => item.type)).toEqual(['function_call']);
    const barred = await complete("What's the weather in Paris?", { tools, tool_choice: 'none' });
    expect(barred.output.map((item) => item.type)).toEqual(['message']);
    const allowed = await complete("What's the weather in Paris?", {
      tools,
      tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'web_search' }] },
    });
    expect(allowed.output.map((item) => item.type)).toEqual(['message']);
  });

  it('takes back its reasoning unchanged, and none that is altered or of another item', async () => {
    const [first] = (await complete('Think about it', thinking)).output;
    const [second] = (await complete('Think again', thinking)).output;
    if (first?.type !== 'reasoning' || second?.type !== 'reasoning') throw new Error('no reasoning');
    const sealed = first.encrypted_content ?? '';
    expect(sealed.length).toBeGreaterThan(60);
    const back = (item: object) => [
      { ...first, ...item },
      { role: 'user', content: 'Go on' },
    ];
    await complete(back({}) as ResponseInputItem[]);
    await complete(back({ id: undefined }) as ResponseInputItem[]);
    const middle = sealed.length - 20;
    const altered = `${sealed.slice(0, middle)}${sealed[middle] === 'A' ? 'B' : 'A'}${sealed.slice(middle + 1)}`;
    for (const encrypted_content of [altered, second.encrypted_content, 'gAAAAABqaR3', ''])
      expect(await refusalOf({ input: back({ encrypted_content }) })).toMatchObject({
        status: 400,
        type: 'invalid_request_error',
        code: 'invalid_encrypted_content',
      });
  });

  it('shows of its reasoning only what is asked for', async () => {
    const bare = await complete('Think', { reasoning: { effort: 'high' } });
    expect(bare.output[0]).toEqual({ id: expect.stringMatching(/^rs_/), type: 'reasoning', summary: [] });
    expect(bare.usage?.output_tokens_details.reasoning_tokens).toBe(320);
    const hidden = await complete('sandbox:redacted', thinking);
    expect(hidden.output[0]).toMatchObject({ summary: [], encrypted_content: expect.any(String) });
    expect((await complete('Think')).output.map((item) => item.type)).toEqual(['message']);
  });

  it('says why an answer is incomplete', async () => {
    const cut = await complete('Explain streams', { max_output_tokens: 16 });
    expect(cut).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      output: [{ status: 'incomplete' }],
      usage: { output_tokens: 16 },
    });
    expect(await complete('sandbox:filter')).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'content_filter' },
    });
    expect((await stream('Explain streams', { max_output_tokens: 16 })).at(-1)?.name).toBe(
      'response.incomplete',
    );
  });

  it('answers in JSON where that is asked for', async () => {
    const schema = { type: 'object', properties: { kind: { enum: ['bug'] } }, required: ['kind'] };
    const format = { type: 'json_schema' as const, name: 'ticket', schema };
    expect(JSON.parse((await complete('File it', { text: { format } })).output_text)).toEqual({
      kind: 'bug',
    });
    const loose = await complete('File it', { text: { format: { type: 'json_object' } } });
    expect(JSON.parse(loose.output_text)).toMatchObject({ sandbox: true });
  });

  it('counts instructions, and what a repeated prompt has in the cache', async () => {
    const instructions = `${systemClock.nowMs()} All work and no play. `.repeat(400);
    const first = await complete('Go on', { instructions });
    const second = await complete('Go on', { instructions });
    expect(first.usage?.input_tokens).toBeGreaterThan(1024);
    expect(first.usage?.input_tokens_details).toEqual({ cached_tokens: 0, cache_write_tokens: 0 });
    expect(second.usage?.input_tokens_details.cached_tokens).toBeGreaterThan(1024);
    const { input_tokens: input = 0, output_tokens: output = 0 } = second.usage ?? {};
    expect(second.usage?.total_tokens).toBe(input + output);
  });

  it('fails in its own language', async () => {
    expect(await refusalOf({ input: 'sandbox:error:429' })).toMatchObject({
      status: 429,
      code: 'rate_limit_exceeded',
    });
    expect(await refusalOf({ input: [{ role: 'robot', content: 'x' }] })).toMatchObject({ status: 400 });
    expect(await refusalOf({ input: 'x', previous_response_id: 'resp_1' })).toMatchObject({
      status: 400,
      code: 'previous_response_not_found',
    });
    const sent = await stream('sandbox:error:stream');
    expect(sent.slice(-2).map(({ name }) => name)).toEqual(['error', 'response.failed']);
    expect(sent.map(({ event }) => event.sequence_number)).toEqual(sent.map((_, index) => index));
    expect(sent.at(-1)?.event).toMatchObject({
      response: { status: 'failed', error: { code: 'server_error' } },
    });
    const read = client.responses.stream({ model, input: 'sandbox:error:stream' }).finalResponse();
    await expect(read).rejects.toThrow('fail in the middle');
  });

  it.runIf(hasRecordings)('reads what real clients sent (needs CROSSMODEL_SHARED)', async () => {
    // Of another provider's account: its sealed reasoning, its stored answers and items.
    const refusals = ['invalid_encrypted_content', 'previous_response_not_found', null];
    const outcomes: unknown[] = [];
    for (const { request } of recordingsOf('openai-responses')) {
      if (request?.input === undefined) continue;
      const refusal = await refusalOf({ ...request, stream: false });
      if (refusal.status !== 200) expect(refusals, JSON.stringify(refusal)).toContain(refusal.code);
      outcomes.push(refusal.status);
    }
    expect(outcomes.filter((status) => status === 200).length).toBeGreaterThan(10);
  });

  it.runIf(hasRecordings)('satisfies the published schemas (needs CROSSMODEL_SHARED)', async () => {
    const schemas = openAiResponsesSchemas();
    const format = { type: 'json_schema' as const, name: 'any', schema: { type: 'object' } };
    const extras: Extra[] = [
      {},
      { ...thinking, tools, instructions: 'Be brief', metadata: { a: 'b' }, max_output_tokens: 400 },
      { tools, tool_choice: 'required', max_output_tokens: 16, text: { format }, store: false },
    ];
    const inputs = [
      'Explain streams',
      'weather in Oslo?',
      'sandbox:refusal',
      'sandbox:redacted',
      'sandbox:filter',
    ];
    for (const extra of extras) {
      for (const input of inputs) {
        const { output_text: _, ...body } = await complete(input, extra);
        expect(schemas.response(body), JSON.stringify([body, schemas.response.errors])).toBe(true);
      }
      for (const input of [...inputs, 'sandbox:error:stream'])
        for (const { event } of await stream(input, extra))
          expect(
            schemas.streamEvent(event),
            JSON.stringify([event, schemas.streamEvent.errors?.slice(-3)]),
          ).toBe(true);
    }
  });
});
