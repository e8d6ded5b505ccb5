import type { OpenAI } from 'openai';
import type { Response as ModelResponse } from 'openai/resources/responses/responses';
import { countIn, field, listOf, textOf, toldLogprob } from './read-chat.ts';
import { type Ending, inputOf, type ToldAnswer, type ToldCall, type ToldUsage } from './told-answer.ts';

const REQUEST = { input: 'x' };

/** Reads the last response object of a stream with the official SDK; throws where that does and where there is none. */
export async function readResponsesStream(client: OpenAI, model = 'm'): Promise<ToldAnswer> {
  const events = await client.responses.create({ ...REQUEST, model, stream: true });
  let last: ModelResponse | undefined;
  for await (const event of events) {
    if (event.type === 'response.failed' || event.type === 'error') throw new Error('the response failed');
    if (event.type === 'response.completed' || event.type === 'response.incomplete') last = event.response;
  }
  if (last === undefined) throw new Error('the stream was cut');
  return tell(last);
}

/** What the SDK's stream helper puts together, which wants every event in its place. */
export async function readResponsesHelper(client: OpenAI, model = 'm'): Promise<ToldAnswer> {
  return tell(await client.responses.stream({ ...REQUEST, model }).finalResponse());
}

export async function readResponsesBody(client: OpenAI, model = 'm'): Promise<ToldAnswer> {
  return tell(await client.responses.create({ ...REQUEST, model }));
}

function tell(response: ModelResponse): ToldAnswer {
  const calls: ToldCall[] = [];
  const citedUrls: string[] = [];
  const logprobs: [string, number][] = [];
  let [text, refusal, reasoning] = ['', '', ''];
  for (const item of listOf(response.output)) {
    if (item.type === 'function_call')
      calls.push({ name: textOf(item.name), input: inputOf(textOf(item.arguments)) });
    if (item.type === 'custom_tool_call') calls.push({ name: textOf(item.name), input: textOf(item.input) });
    if (item.type === 'reasoning')
      for (const piece of [...listOf(item.summary), ...listOf(item.content)]) reasoning += textOf(piece.text);
    if (item.type !== 'message') continue;
    for (const piece of listOf(item.content)) {
      text += textOf(piece.text);
      refusal += textOf(piece.refusal);
      for (const { type, url } of listOf(piece.annotations))
        if (type === 'url_citation') citedUrls.push(textOf(url));
      for (const { token, logprob } of listOf(piece.logprobs)) logprobs.push(toldLogprob(token, logprob));
    }
  }
  const ending = endingOf(response, calls.length > 0);
  const choice = { text, refusal, reasoning, calls, citedUrls, logprobs, ending };
  return { choices: [choice], usage: usageOf(response.usage) };
}

function endingOf(response: ModelResponse, hasCalls: boolean): Ending {
  if (response.status === 'incomplete')
    return response.incomplete_details?.reason === 'content_filter' ? 'filtered' : 'length';
  if (response.status === 'failed') throw new Error('the response failed');
  return hasCalls ? 'calls' : 'end';
}

function usageOf(usage: unknown): ToldUsage | undefined {
  const input = countIn(usage, 'input_tokens');
  if (input === undefined) return undefined;
  const details = field(usage, 'input_tokens_details');
  const cacheRead = countIn(details, 'cached_tokens') ?? 0;
  const cacheWrite = countIn(details, 'cache_write_tokens') ?? 0;
  const visible = countIn(usage, 'output_tokens') ?? 0;
  const reasoning = countIn(field(usage, 'output_tokens_details'), 'reasoning_tokens') ?? 0;
  const uncounted = (countIn(usage, 'total_tokens') ?? 0) - input - visible;
  return {
    input: input - cacheRead - cacheWrite,
    cacheRead,
    cacheWrite,
    output: uncounted > 0 && uncounted === reasoning ? visible + reasoning : visible,
    reasoning,
  };
}
