import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '#data-plane/sandbox/server.ts';
import { systemClock } from '#shared/clock.ts';
import { hasRecordings, payloadsIn } from '#test/dialects/provider-recordings.ts';
import { messagesSchemas } from '#test/dialects/published-schemas.ts';

interface Block {
  type: string;
  text?: string;
  thinking?: string;
  signature?: string;
  data?: string;
  id?: string;
  input?: object;
}
interface Message {
  content: Block[];
  stop_reason: string;
  stop_sequence: string | null;
  usage: Record<string, number>;
}
interface Event {
  type: string;
  index?: number;
  content_block?: Block;
  delta?: { type?: string; text?: string; partial_json?: string; stop_reason?: string };
}

let sandbox: Sandbox;
beforeAll(async () => {
  const pace = { firstTokenMs: 0, tokensPerSecond: Number.POSITIVE_INFINITY };
  sandbox = await startSandbox(0, pace, systemClock);
});
afterAll(() => sandbox.close());

const schemas = hasRecordings ? messagesSchemas('2023-06-01') : undefined;
const says = (content: unknown): object[] => [{ role: 'user', content }];
const thinking = { type: 'enabled', budget_tokens: 1024 };
const weatherTool = {
  name: 'get_weather',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};

function post(messages: object[], extra: object = {}, path = '/messages'): Promise<Response> {
  const body = { model: 'claude-sonnet-5', max_tokens: 2000, messages, ...extra };
  return fetch(`${sandbox.baseUrl}${path}`, { method: 'POST', body: JSON.stringify(body) });
}

async function complete(messages: object[], extra: object = {}): Promise<Message> {
  const response = await post(messages, extra);
  expect(response.status).toBe(200);
  return (await response.json()) as Message;
}

async function stream(messages: object[], extra: object = {}): Promise<Event[]> {
  const response = await post(messages, { stream: true, ...extra });
  return payloadsIn(Buffer.from(await response.arrayBuffer())).map((data) => JSON.parse(data) as Event);
}

async function refusalOf(messages: object[], extra: object = {}) {
  const response = await post(messages, extra);
  return { status: response.status, body: (await response.json()) as { error: Record<string, string> } };
}

describe('the Messages protocol of the sandbox', () => {
  it('streams the same words as it gives whole, with balanced blocks and a ping', async () => {
    const whole = await complete(says('Name three reasons to write tests'), { thinking });
    const events = await stream(says('Name three reasons to write tests'), { thinking });
    expect(events.map((event) => event.delta?.text ?? '').join('')).toBe(whole.content[1]?.text);
    expect(whole.content[0]?.signature?.length).toBeGreaterThan(60);
    const types = events.map((event) => event.type);
    expect([types[0], types.at(-2), types.at(-1)]).toEqual([
      'message_start',
      'message_delta',
      'message_stop',
    ]);
    expect(types.filter((type) => type === 'content_block_start')).toHaveLength(2);
    expect(types.filter((type) => type === 'content_block_stop')).toHaveLength(2);
    expect(types).toContain('ping');
  });

  it('takes the notes of a coding agent for notes, before the request and beside tool results', async () => {
    const asking = [
      {
        type: 'text',
        text: '<system-reminder>\nUse tools for weather in <cwd>Paris</cwd>\n</system-reminder>',
      },
      { type: 'text', text: 'sandbox:call:get_weather {"city":"Oslo"}' },
    ];
    const first = await complete(says(asking), { tools: [weatherTool] });
    const call = first.content.find((block) => block.type === 'tool_use');
    expect(call?.input).toEqual({ city: 'Oslo' });
    const result = { type: 'tool_result', tool_use_id: call?.id, content: '4 degrees' };
    const note = { type: 'text', text: '<system-reminder>9 tokens left</system-reminder>' };
    const second = await complete(
      [
        ...says(asking),
        { role: 'assistant', content: first.content },
        { role: 'user', content: [result, note] },
      ],
      { tools: [weatherTool] },
    );
    expect(second).toMatchObject({
      stop_reason: 'end_turn',
      content: [{ type: 'text', text: expect.stringContaining('get_weather returned 4 degrees') }],
    });
  });

  it('calls a tool and tells the result that comes back with the thinking unchanged', async () => {
    const extra = { thinking, tools: [weatherTool] };
    const messages = says("What's the weather in Paris?");
    const asking = await complete(messages, extra);
    const call = asking.content.at(-1);
    expect(asking.stop_reason).toBe('tool_use');
    expect(call).toMatchObject({ type: 'tool_use', input: { city: 'Paris' } });
    const result = { type: 'tool_result', tool_use_id: call?.id, content: '{"celsius":18}' };
    const told = (content: Block[]) => [
      ...messages,
      { role: 'assistant', content },
      { role: 'user', content: [result] },
    ];
    const answer = await complete(told(asking.content), extra);
    expect(answer.content.at(-1)?.text).toContain('get_weather returned celsius: 18');
    const altered = asking.content.map((block) =>
      block.type === 'thinking' ? { ...block, thinking: `${block.thinking}.` } : block,
    );
    const refused = await refusalOf(told(altered), extra);
    expect(refused).toMatchObject({ status: 400, body: { error: { type: 'invalid_request_error' } } });
    expect(refused.body.error.message).toContain('messages.1.content.0');
  });

  it('hides thinking when told to and takes back only its own redacted blocks', async () => {
    const { content } = await complete(says('sandbox:redacted'), { thinking });
    expect(content[0]?.type).toBe('redacted_thinking');
    const told = (blocks: Block[]) => [
      ...says('x'),
      { role: 'assistant', content: blocks },
      ...says('Go on'),
    ];
    await complete(told(content));
    const foreign = await refusalOf(told([{ type: 'redacted_thinking', data: 'RXJZQ0Vn' }]));
    expect(foreign.status).toBe(400);
  });

  it('says why it stopped', async () => {
    const stopped = await complete(says('Explain streams'), { stop_sequences: ['sandbox'] });
    expect(stopped).toMatchObject({ stop_reason: 'stop_sequence', stop_sequence: 'sandbox' });
    expect((await complete(says('Explain streams'), { max_tokens: 4 })).stop_reason).toBe('max_tokens');
    expect((await complete(says('sandbox:refusal'))).stop_reason).toBe('refusal');
    const events = await stream(says('weather in Oslo?'), { tools: [weatherTool] });
    expect(events.map((event) => event.delta?.partial_json ?? '').join('')).toBe('{"city":"Oslo"}');
    expect(events.at(-2)?.delta?.stop_reason).toBe('tool_use');
  });

  it('caches what is marked, and counts it beside the other input', async () => {
    const text = `${systemClock.nowMs()} All work and no play. `.repeat(400);
    const system = [{ type: 'text', text, cache_control: { type: 'ephemeral' } }];
    const first = await complete(says('Go on'), { system });
    const second = await complete(says('Go on'), { system });
    expect(first.usage.cache_creation_input_tokens).toBeGreaterThan(1024);
    expect(second.usage.cache_read_input_tokens).toBeGreaterThan(1024);
    expect(second.usage.input_tokens).toBeLessThan(first.usage.cache_creation_input_tokens ?? 0);
    const unmarked = await complete(says('Go on'), { system: text });
    expect(unmarked.usage).toMatchObject({ cache_creation_input_tokens: 0, cache_read_input_tokens: 0 });
    const counted = await post(says('Go on'), { system: text }, '/messages/count_tokens');
    expect(await counted.json()).toEqual({ input_tokens: unmarked.usage.input_tokens });
  });

  it('answers in JSON for a schema', async () => {
    const schema = { type: 'object', properties: { kind: { enum: ['bug'] } }, required: ['kind'] };
    const answer = await complete(says('File it'), {
      output_config: { format: { type: 'json_schema', schema } },
    });
    expect(JSON.parse(answer.content[0]?.text ?? '')).toEqual({ kind: 'bug' });
  });

  it('fails in its own language', async () => {
    expect(await refusalOf(says('sandbox:error:529'))).toMatchObject({
      status: 529,
      body: { type: 'error', error: { type: 'overloaded_error' } },
    });
    const events = await stream(says('sandbox:error:stream'));
    expect(events.at(-1)).toMatchObject({ type: 'error', error: { type: 'api_error' } });
    const unread = await refusalOf([{ role: 'robot', content: 'x' }]);
    expect(unread.body.error.message).toContain('messages[0].role');
  });

  it.runIf(hasRecordings)('satisfies the published schema (needs CROSSMODEL_SHARED)', async () => {
    for (const text of ['Explain streams', 'sandbox:redacted', 'sandbox:filter', 'weather in Oslo?']) {
      const extra = { thinking, tools: [weatherTool] };
      expect(schemas?.message(await complete(says(text), extra)), text).toBe(true);
      for (const event of await stream(says(text), extra)) {
        const isValid = event.type === 'ping' || schemas?.streamEvent(event);
        expect(isValid, JSON.stringify([event, schemas?.streamEvent.errors?.at(-1)])).toBe(true);
      }
    }
    for (const status of [400, 401, 404, 429, 500, 529])
      expect(schemas?.errorResponse((await refusalOf(says(`sandbox:error:${status}`))).body)).toBe(true);
  });
});
