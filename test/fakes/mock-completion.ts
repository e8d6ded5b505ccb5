import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '#shared/clock.ts';
import type { BookEntry, MockBook } from './mock-book.ts';
import type { MockScript, MockUsage } from './mock-script.ts';

const DEFAULT_LATENCY_MS = 5;
const DEFAULT_CHUNKS = 6;

export interface CompletionCall {
  readonly id: string;
  readonly body: unknown;
  readonly script: MockScript;
  readonly response: ServerResponse;
  readonly book: MockBook;
  readonly clock: Clock;
}

interface Asked {
  readonly model: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

interface Writing extends CompletionCall {
  readonly asked: Asked;
  readonly usage: MockUsage;
  readonly gone: AbortSignal;
}

type Outcome = BookEntry['outcome'];

/** Answers one completion call as its script says and writes it into the book, whatever happens to the connection. */
export async function answerCompletion(call: CompletionCall): Promise<void> {
  const { id, script, response, book, clock } = call;
  const asked = readAsked(call.body);
  const status = script.status ?? 200;
  const usage = drawUsage(script.usage ?? {});
  const usageStated = status === 200 && !script.omitUsage && (!asked.stream || asked.includeUsage);
  const started: BookEntry = {
    ...{ id, model: asked.model, stream: asked.stream, status, ...usage, usageStated },
    ...{ outcome: 'started', startedAtMs: clock.nowMs(), endedAtMs: null },
  };
  book.write(started);
  const gone = new AbortController();
  // A response that closes before it has finished was closed by the other side, or by its own script.
  response.on('close', () => gone.abort());
  const outcome = await write({ ...call, asked, usage, gone: gone.signal });
  book.write({ ...started, outcome, endedAtMs: clock.nowMs() });
}

async function write(writing: Writing): Promise<Outcome> {
  const { script, response, gone, asked } = writing;
  try {
    await sleep(script.latencyMs ?? DEFAULT_LATENCY_MS, undefined, { signal: gone });
    const outcome = await (script.status !== undefined && script.status !== 200
      ? writeError(writing)
      : asked.stream
        ? writeStream(writing)
        : writeBody(writing));
    if (outcome === 'written' && !response.writableFinished) return await finished(response);
    return outcome;
  } catch (error) {
    if (gone.aborted) return 'client_gone';
    throw error;
  }
}

function finished(response: ServerResponse): Promise<Outcome> {
  return new Promise((resolve) => {
    response.once('finish', () => resolve('written'));
    response.once('close', () => resolve(response.writableFinished ? 'written' : 'client_gone'));
  });
}

async function writeError(writing: Writing): Promise<Outcome> {
  const { script, response } = writing;
  const status = script.status ?? 500;
  const fallback = JSON.stringify({
    error: {
      message: `Mock provider error ${status}.`,
      type: 'server_error',
      param: null,
      code: `mock_${status}`,
    },
  });
  response.writeHead(status, { 'content-type': 'application/json', ...script.headers });
  response.end(script.errorBody ?? fallback);
  return 'refused';
}

async function writeBody(writing: Writing): Promise<Outcome> {
  const { script, response, asked, usage } = writing;
  const toolCalls = (script.toolCalls ?? []).map(toolCallOf);
  const body = JSON.stringify({
    id: writing.id,
    object: 'chat.completion',
    created: Math.floor(writing.clock.nowMs() / 1000),
    model: asked.model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: toolCalls.length > 0 ? null : chunkTexts(script).join(''),
          refusal: null,
          annotations: [],
          ...(toolCalls.length > 0 ? { tool_calls: toolCalls } : {}),
        },
        logprobs: null,
        finish_reason: finishReasonOf(script),
      },
    ],
    ...(script.omitUsage ? {} : { usage: usageObject(usage) }),
    service_tier: 'default',
    system_fingerprint: 'fp_mock',
  });
  response.writeHead(200, { 'content-type': 'application/json', ...script.headers });
  if (script.fault === undefined) {
    await send(writing, body);
    response.end();
    return 'written';
  }
  if (script.fault.kind === 'error_event') {
    response.end(
      JSON.stringify({
        error: { message: 'Mock error inside a 200.', type: 'server_error', param: null, code: 502 },
      }),
    );
    return 'broken';
  }
  if (script.fault.kind === 'garbage') {
    response.end('<html><body>502 Bad Gateway</body></html>');
    return 'broken';
  }
  await send(writing, body.slice(0, Math.floor(body.length / 2)));
  return breakOff(writing);
}

async function writeStream(writing: Writing): Promise<Outcome> {
  const { script, response, usage, asked } = writing;
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', ...script.headers });
  const opening = { role: 'assistant', content: script.toolCalls ? null : '', refusal: null };
  await send(writing, frame(writing, [choiceOf(opening, null)]));
  const deltas = script.toolCalls
    ? toolCallDeltas(script.toolCalls)
    : chunkTexts(script).map((content) => ({ content }));
  for (const [index, delta] of deltas.entries()) {
    if (script.fault !== undefined && index >= script.fault.afterChunks) return breakOff(writing);
    if (index > 0 && script.chunkDelayMs)
      await sleep(script.chunkDelayMs, undefined, { signal: writing.gone });
    await send(writing, frame(writing, [choiceOf(delta, null)]));
  }
  if (script.fault !== undefined) return breakOff(writing);
  await send(writing, frame(writing, [choiceOf({}, finishReasonOf(script))]));
  if (asked.includeUsage && !script.omitUsage) await send(writing, frame(writing, [], usageObject(usage)));
  if (!script.omitDone) await send(writing, 'data: [DONE]\n\n');
  response.end();
  return 'written';
}

async function breakOff(writing: Writing): Promise<Outcome> {
  const { response, script, gone } = writing;
  switch (script.fault?.kind) {
    case 'stall':
      await new Promise<void>((resolve) => gone.addEventListener('abort', () => resolve(), { once: true }));
      return 'client_gone';
    case 'reset':
      response.socket?.resetAndDestroy();
      return 'broken';
    case 'garbage':
      await send(writing, 'data: {"id":"chatcmpl-\n\n');
      response.end();
      return 'broken';
    case 'error_event':
      await send(
        writing,
        'data: {"error":{"message":"Mock stream error.","type":"server_error","param":null,"code":null}}\n\n',
      );
      response.end('data: [DONE]\n\n');
      return 'broken';
    default:
      response.destroy();
      return 'broken';
  }
}

/** Writes text, whole or in the pieces that the script asks for, and waits for a slow reader. */
async function send(writing: Writing, text: string): Promise<void> {
  const { response, gone, script } = writing;
  const bytes = Buffer.from(text);
  const size = script.writeBytes ?? bytes.length;
  for (let start = 0; start < bytes.length; start += size) {
    gone.throwIfAborted();
    if (!response.write(bytes.subarray(start, start + size))) await once(response, 'drain', { signal: gone });
    // A turn of the event loop between two writes keeps them from being sent as one.
    if (size < bytes.length) await nextTurn();
  }
}

function readAsked(body: unknown): Asked {
  const sent = (body ?? {}) as {
    model?: unknown;
    stream?: unknown;
    stream_options?: { include_usage?: unknown } | null;
  };
  return {
    model: typeof sent.model === 'string' ? sent.model : '',
    stream: sent.stream === true,
    includeUsage: sent.stream_options?.include_usage === true,
  };
}

/** Random counts, so that two requests hardly ever cost the same and a sum proves which requests are in it. */
function drawUsage(fixed: Partial<MockUsage>): MockUsage {
  const promptTokens = fixed.promptTokens ?? randomInt(20, 400);
  const cachedTokens = fixed.cachedTokens ?? (randomInt(3) === 0 ? randomInt(0, promptTokens) : 0);
  const completionTokens = fixed.completionTokens ?? randomInt(5, 300);
  const reasoningTokens = fixed.reasoningTokens ?? (randomInt(3) === 0 ? randomInt(0, completionTokens) : 0);
  return { promptTokens, cachedTokens, completionTokens, reasoningTokens };
}

function usageObject(usage: MockUsage): object {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens, audio_tokens: 0 },
  };
}

function chunkTexts(script: MockScript): string[] {
  const words = Array.from({ length: script.chunks ?? DEFAULT_CHUNKS }, (_, index) => `w${index} `);
  return script.text === undefined ? words : [script.text, ...words];
}

function finishReasonOf(script: MockScript): string {
  return script.finishReason ?? (script.toolCalls ? 'tool_calls' : 'stop');
}

function toolCallOf(call: { name: string; argumentsJson: string }, index: number): object {
  return {
    id: `call_mock_${index}`,
    type: 'function',
    function: { name: call.name, arguments: call.argumentsJson },
  };
}

function toolCallDeltas(calls: readonly { name: string; argumentsJson: string }[]): object[] {
  return calls.flatMap((call, index) => {
    const opening = { index, ...toolCallOf({ name: call.name, argumentsJson: '' }, index) };
    const fragments = call.argumentsJson.match(/.{1,5}/gs) ?? [];
    return [
      { tool_calls: [opening] },
      ...fragments.map((fragment) => ({ tool_calls: [{ index, function: { arguments: fragment } }] })),
    ];
  });
}

function choiceOf(delta: object, finishReason: string | null): object {
  return { index: 0, delta, logprobs: null, finish_reason: finishReason };
}

function frame(writing: Writing, choices: readonly object[], usage: object | null = null): string {
  const { id, asked, clock } = writing;
  const chunk = {
    ...{ id, object: 'chat.completion.chunk', created: Math.floor(clock.nowMs() / 1000), model: asked.model },
    ...{ service_tier: 'default', system_fingerprint: 'fp_mock', choices },
    ...(asked.includeUsage ? { usage } : {}),
  };
  return `data: ${JSON.stringify(chunk)}\n\n`;
}
