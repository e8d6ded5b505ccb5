import { describe, expect, it } from 'vitest';
import { ChatAnswerReader } from '#data-plane/dialects/chat/read-answer.ts';
import type { AnswerReader } from '#data-plane/dialects/dialect.ts';
import { MessagesAnswerReader } from '#data-plane/dialects/messages/read-answer.ts';
import { ResponsesAnswerReader } from '#data-plane/dialects/responses/read-answer.ts';
import type { TokenUsage } from '#shared/token-usage.ts';

/** What a reader makes of these events, one after the other. */
function usageAfter(reader: AnswerReader, events: readonly object[]): TokenUsage | undefined {
  for (const event of events) {
    const bytes = Buffer.from(JSON.stringify(event));
    reader.readChunk(bytes, 0, bytes.length);
  }
  return reader.usage;
}

function usageOfBody(reader: AnswerReader, body: object): TokenUsage | undefined {
  reader.readBody(Buffer.from(JSON.stringify(body)));
  return reader.usage;
}

const chatChunk = (content: string, extra: object = {}) => ({
  model: 'm',
  choices: [{ index: 0, delta: { content } }],
  ...extra,
});
const chatUsage = { prompt_tokens: 10, completion_tokens: 4 };

describe('what a forwarded chat answer used', () => {
  it('is of the service tier that the chunks name', () => {
    const usage = usageAfter(new ChatAnswerReader(), [
      chatChunk('a', { service_tier: 'priority' }),
      chatChunk('b', { service_tier: 'priority' }),
      { choices: [], usage: chatUsage },
    ]);
    expect(usage).toMatchObject({ input: 10, output: 4, serviceTier: 'priority', source: 'upstream' });
  });

  it('is estimated as long as text comes behind the last counts, and exact once they cover it', () => {
    const reader = new ChatAnswerReader();
    const early = { ...chatUsage, completion_tokens: 0 };
    expect(usageAfter(reader, [chatChunk('', { usage: early }), chatChunk('x'.repeat(40))])).toMatchObject({
      input: 10,
      output: 10,
      source: 'estimated',
    });
    expect(usageAfter(reader, [chatChunk('y', { usage: chatUsage })])).toMatchObject({
      output: 4,
      source: 'upstream',
    });
  });
});

describe('what a forwarded Messages answer used', () => {
  it('is of the tier and the tools that the usage names', () => {
    const usage = {
      input_tokens: 5,
      output_tokens: 7,
      service_tier: 'priority',
      server_tool_use: { web_search_requests: 2, web_fetch_requests: 1 },
    };
    const body = { type: 'message', model: 'm', content: [{ type: 'text', text: 'Found it.' }], usage };
    expect(usageOfBody(new MessagesAnswerReader(), body)).toMatchObject({
      output: 7,
      serviceTier: 'priority',
      serverTools: { web_search: 2, web_fetch: 1 },
      source: 'upstream',
    });
  });
});

describe('what a forwarded Responses answer used', () => {
  const search = (type = 'search') => ({
    type: 'web_search_call',
    id: 'w',
    status: 'completed',
    action: { type },
  });
  const usage = { input_tokens: 5, output_tokens: 7, total_tokens: 12 };
  const output = [
    search(),
    search('open_page'),
    { type: 'code_interpreter_call', id: 'c' },
    { type: 'message', content: [{ type: 'output_text', text: 'web_search_call' }] },
  ];
  const whole = { object: 'response', model: 'm', status: 'completed', service_tier: 'flex', output, usage };

  it('counts the calls of server tools among its items once, pages that a search opened not at all', () => {
    const expected = { serviceTier: 'flex', serverTools: { web_search: 1, code_execution: 1 } };
    expect(usageOfBody(new ResponsesAnswerReader(), whole)).toMatchObject(expected);
    const events = [
      {
        type: 'response.created',
        sequence_number: 0,
        response: { ...whole, status: 'in_progress', output: [], usage: null },
      },
      ...output.map((item, index) => ({ type: 'response.output_item.done', output_index: index, item })),
      { type: 'response.completed', response: whole },
    ];
    expect(usageAfter(new ResponsesAnswerReader(), events)).toMatchObject(expected);
  });

  it('counts them from the events where the last one has no output', () => {
    const events = [
      { type: 'response.output_item.added', output_index: 0, item: search() },
      { type: 'response.output_item.done', output_index: 0, item: search() },
      { type: 'response.completed', response: { ...whole, output: [] } },
    ];
    expect(usageAfter(new ResponsesAnswerReader(), events)?.serverTools).toEqual({ web_search: 1 });
  });

  it('takes the figure that the provider states for its searches', () => {
    const stated = { ...whole, tool_usage: { web_search: { num_requests: 3 } } };
    expect(usageOfBody(new ResponsesAnswerReader(), stated)?.serverTools).toEqual({
      web_search: 3,
      code_execution: 1,
    });
  });
});
