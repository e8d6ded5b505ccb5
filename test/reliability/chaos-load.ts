import { Agent, request } from 'undici';
import { systemClock } from '#shared/clock.ts';
import { type MockScript, scriptInMessage } from '#test/fakes/mock-script.ts';
import type { SeededRandom } from './seeded-random.ts';

const TICK_MS = 10;
const MAX_IN_FLIGHT = 1_000;
const REQUEST_TIMEOUT_MS = 30_000;
const BROKEN_CONNECTION = new Set(['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'UND_ERR_SOCKET']);
const END_OF_STREAM = 'data: [DONE]\n\n';

/** An answer that reached the client whole: from now on its client may count on it, so it has to be billed. */
export interface CompletedAnswer {
  /** `x-request-id` of the gateway. */
  readonly requestId: string;
  /** The id that the provider put into the answer. */
  readonly completionId: string;
  readonly model: string;
  readonly stream: boolean;
}

export interface LoadReport {
  readonly sent: number;
  readonly completed: readonly CompletedAnswer[];
  /** Answers that did not complete, by status or kind of failure. */
  readonly failures: ReadonlyMap<string, number>;
  /** Connections that broke before an answer began, and whose request was sent once more on another one. */
  readonly reconnects: number;
  /** Requests left out because too many were in flight. */
  readonly skipped: number;
  /** What became of the requests that were sent in each second of the run. */
  readonly seconds: readonly LoadSecond[];
}

export interface LoadSecond {
  readonly completed: number;
  readonly failed: number;
}

export interface LoadOptions {
  readonly dataPlaneUrl: string;
  readonly apiKey: string;
  readonly models: readonly string[];
  readonly requestsPerSecond: number;
  readonly random: SeededRandom;
  /** What the provider is asked to do; without it, short answers at random. */
  readonly drawScript?: (random: SeededRandom) => MockScript;
  /** Share of the requests that open a connection of their own; the others share kept ones. */
  readonly newConnectionShare?: number;
  /** Whether a request whose connection broke before the answer began is sent once more. */
  readonly reconnectsOnce?: boolean;
}

export interface Load {
  readonly completedSoFar: number;
  /** Stops sending, waits for the answers in flight, and reports. */
  stop(): Promise<LoadReport>;
}

/** Sends a steady, open-loop mix of streamed and plain requests; a slow answer delays no other request. */
export function startLoad(options: LoadOptions): Load {
  const agent = new Agent({
    connections: 256,
    headersTimeout: REQUEST_TIMEOUT_MS,
    bodyTimeout: REQUEST_TIMEOUT_MS,
  });
  let reconnects = 0;
  const noteReconnect = (): void => {
    reconnects += 1;
  };
  const completed: CompletedAnswer[] = [];
  const failures = new Map<string, number>();
  const inFlight = new Set<Promise<void>>();
  const startedAtMs = systemClock.monotonicMs();
  const seconds: { completed: number; failed: number }[] = [];
  let sent = 0;
  let skipped = 0;

  const sendOne = async (): Promise<void> => {
    const index = Math.floor((systemClock.monotonicMs() - startedAtMs) / 1000);
    seconds[index] ??= { completed: 0, failed: 0 };
    const second = seconds[index];
    const outcome = await ask(options, agent, noteReconnect);
    if (typeof outcome === 'string') {
      second.failed += 1;
      failures.set(outcome, (failures.get(outcome) ?? 0) + 1);
    } else {
      second.completed += 1;
      completed.push(outcome);
    }
  };
  const timer = setInterval(() => {
    const due = Math.floor(((systemClock.monotonicMs() - startedAtMs) * options.requestsPerSecond) / 1000);
    for (; sent + skipped < due; ) {
      if (inFlight.size >= MAX_IN_FLIGHT) {
        skipped += 1;
        continue;
      }
      sent += 1;
      const running = sendOne().finally(() => inFlight.delete(running));
      inFlight.add(running);
    }
  }, TICK_MS);

  return {
    get completedSoFar() {
      return completed.length;
    },
    stop: async () => {
      clearInterval(timer);
      await Promise.all(inFlight);
      await agent.close();
      return { sent, completed, failures, reconnects, skipped, seconds };
    },
  };
}

/** One request; its answer if it arrived whole, else what became of it in a word. */
async function ask(
  options: LoadOptions,
  agent: Agent,
  noteReconnect: () => void,
): Promise<CompletedAnswer | string> {
  const { random, models, drawScript = randomScript } = options;
  const stream = random.next() < 0.5;
  const model = models[random.between(0, models.length)] ?? '';
  const body = JSON.stringify({
    model,
    stream,
    messages: [{ role: 'user', content: scriptInMessage(drawScript(random)) }],
    max_tokens: 400,
  });
  let received = '';
  let requestId = '';
  try {
    const send = (): ReturnType<typeof request> =>
      request(`${options.dataPlaneUrl}/v1/chat/completions`, {
        dispatcher: agent,
        method: 'POST',
        reset: random.next() < (options.newConnectionShare ?? 0),
        headers: { authorization: `Bearer ${options.apiKey}`, 'content-type': 'application/json' },
        body,
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
    const response = await send().catch((error: unknown) => {
      if (options.reconnectsOnce !== true || !BROKEN_CONNECTION.has(failureName(error))) throw error;
      noteReconnect();
      return send();
    });
    requestId = String(response.headers['x-request-id'] ?? '');
    if (response.statusCode !== 200) {
      return `status ${response.statusCode} ${readErrorMessage(await response.body.text())}`;
    }
    for await (const chunk of response.body) received += String(chunk);
  } catch (error) {
    // A stream whose end mark has arrived is complete for its client, even if the connection breaks right after it.
    if (!received.endsWith(END_OF_STREAM)) return failureName(error);
  }
  if (stream && !received.endsWith(END_OF_STREAM))
    return received.includes('"error"') ? 'error event' : 'cut stream';
  const completionId = readCompletionId(received);
  return completionId === undefined ? 'unreadable answer' : { requestId, completionId, model, stream };
}

function randomScript(random: SeededRandom): MockScript {
  return {
    latencyMs: random.between(0, 120),
    chunks: random.between(1, 14),
    chunkDelayMs: random.between(0, 25),
  };
}

function readCompletionId(received: string): string | undefined {
  return /"id":"(chatcmpl-[^"]+)"/.exec(received)?.[1];
}

function readErrorMessage(text: string): string {
  return /"message":"([^"]*)"/.exec(text)?.[1] ?? '';
}

function failureName(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown failure';
  const code = (error as NodeJS.ErrnoException).code;
  return typeof code === 'string' ? code : error.name;
}
