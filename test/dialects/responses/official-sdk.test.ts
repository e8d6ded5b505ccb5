import OpenAI from 'openai';
import type { Response as ModelResponse } from 'openai/resources/responses/responses';
import { describe, expect, it } from 'vitest';
import { hasRecordings, recordingsOf, type SentEvent } from '#test/dialects/provider-recordings.ts';
import { decodeStream, encodeStream, payloadsOf } from './answer-checks.ts';

/** What the official client makes of a stream: the judge that has not read our code. */
async function readAsClient(stream: readonly SentEvent[]): Promise<ModelResponse> {
  const bytes = stream
    .map(({ name, data }) => (name === '' ? `data: ${data}\n\n` : `event: ${name}\ndata: ${data}\n\n`))
    .join('');
  const client = new OpenAI({
    apiKey: 'not-a-key',
    maxRetries: 0,
    fetch: async () => new Response(bytes, { headers: { 'content-type': 'text/event-stream' } }),
  });
  return client.responses.stream({ model: 'm', input: 'x' }).finalResponse();
}

/** An item without content is nothing that could be shown or sent back. */
function saysSomething(item: ModelResponse['output'][number]): boolean {
  if (item.type === 'message')
    return item.content.some((part) => part.type === 'refusal' || part.text !== '');
  if (item.type !== 'reasoning') return true;
  return item.summary.length > 0 || (item.content ?? []).length > 0 || (item.encrypted_content ?? '') !== '';
}

/** What counts of an answer. Hosted tools are told whole; reasoning text may have become a summary. */
function essence(response: ModelResponse): unknown {
  const calls = response.output.flatMap((item) => {
    if (item.type === 'function_call') return [[item.call_id, item.name, item.arguments]];
    return item.type === 'custom_tool_call' ? [[item.call_id, item.name, item.input]] : [];
  });
  const citations = response.output.flatMap((item) =>
    item.type === 'message'
      ? item.content.flatMap((part) =>
          part.type === 'output_text' ? part.annotations.filter(({ type }) => type === 'url_citation') : [],
        )
      : [],
  );
  const thoughts = response.output.flatMap((item) =>
    item.type === 'reasoning' ? [...item.summary, ...(item.content ?? [])].map(({ text }) => text) : [],
  );
  return {
    text: response.output_text,
    calls,
    citations,
    thoughts,
    items: response.output.filter(saysSomething).map(({ type }) => type),
    status: response.status,
    reason: response.incomplete_details?.reason,
    usage: {
      input: response.usage?.input_tokens,
      cached: response.usage?.input_tokens_details.cached_tokens,
      output: response.usage?.output_tokens,
      reasoning: response.usage?.output_tokens_details.reasoning_tokens,
      total: response.usage?.total_tokens,
    },
  };
}

describe.skipIf(!hasRecordings)('the official client (needs CROSSMODEL_SHARED)', () => {
  const complete = recordingsOf('openai-responses').flatMap(({ name, sent: stream }) => {
    const isComplete =
      stream !== undefined &&
      // The client wants ids that stay the same through a stream.
      !/copilot|openrouter|xai/.test(name) &&
      payloadsOf(stream).some(({ type }) => type === 'response.completed' || type === 'response.incomplete');
    return isComplete ? [{ name, stream }] : [];
  });

  it('has recordings to judge by', () => {
    expect(complete.length).toBeGreaterThanOrEqual(12);
  });

  it.each(complete)('reads the same from $name and from what we make of it', async ({ stream }) => {
    const ours = await readAsClient(encodeStream(decodeStream(stream)));
    const theirs = await readAsClient(stream);
    expect(essence(ours)).toEqual(essence(theirs));
  });

  it('throws on a stream that fails in the middle', async () => {
    const failed =
      recordingsOf('openai-responses').find(({ name }) => name.includes('error-in-200'))?.sent ?? [];
    await expect(readAsClient(encodeStream(decodeStream(failed)))).rejects.toThrow(/model provider failed/);
  });
});
