import { setTimeout as delay } from 'node:timers/promises';
import { BenchConnection, type BenchRequest } from './bench-connection.ts';
import {
  chatRequest,
  messagesRequest,
  pictureRequest,
  type WantedAnswer,
  WHOLE_ANSWER,
} from './bench-request.ts';
import { closedLoop, type LoadFigures, openLoop, openStreams } from './loads.ts';
import { cpuMicros, residentMib } from './process-figures.ts';
import type { BenchTarget } from './targets.ts';

/** What one run of one scenario against one target has come to. The first figure is the one that targets are compared by. */
export type Figures = Readonly<Record<string, number>>;

export interface Scenario {
  readonly name: string;
  readonly what: string;
  /** Whether other targets than our own can do it. */
  readonly isForAll: boolean;
  /** Rounds beyond this one tell nothing new. */
  readonly mostRounds: number;
  run(target: BenchTarget, bench: BenchSettings): Promise<Figures>;
}

export interface BenchSettings {
  readonly providerPort: number;
  /** Of each measurement under load. */
  readonly durationMs: number;
}

const WARM_UP_MS = 1_500;
const MANY_ROUNDS = 99;
const MEGABYTE = 1024 * 1024;
const middle = (sorted: readonly number[]): number => sorted[sorted.length >> 1] ?? Number.NaN;
const at99 = (sorted: readonly number[]): number => sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN;

async function underLoad(
  target: BenchTarget,
  request: BenchRequest,
  connections: number,
  durationMs: number,
): Promise<{ load: LoadFigures; cpu: number }> {
  await closedLoop(target.port, request, { connections, durationMs: WARM_UP_MS });
  const before = cpuMicros(target.pids);
  const load = await closedLoop(target.port, request, { connections, durationMs });
  return { load, cpu: cpuMicros(target.pids) - before };
}

function requests(name: string, connections: number): Scenario {
  return {
    ...{ name, isForAll: true, mostRounds: MANY_ROUNDS },
    what: `plain answers, ${connections} connections, one after the other`,
    run: async (target, { durationMs }) => {
      const { load, cpu } = await underLoad(
        target,
        chatRequest(target, WHOLE_ANSWER),
        connections,
        durationMs,
      );
      return {
        'CPU per request, µs': cpu / load.answers,
        'requests/s': (load.answers * 1_000) / durationMs,
        failures: load.failures,
      };
    },
  };
}

function streams(name: string, count: number, delayMs: number, lane: 'forward' | 'translate'): Scenario {
  const wanted: WantedAnswer = { chunks: 64, delayMs, bytes: 24 };
  return {
    ...{ name, isForAll: lane === 'forward', mostRounds: MANY_ROUNDS },
    what: `${count} streams at once, 64 chunks ${delayMs} ms apart${lane === 'translate' ? ', Messages translated from chat' : ''}`,
    run: async (target, { durationMs }) => {
      const request = lane === 'forward' ? chatRequest(target, wanted) : messagesRequest(target, wanted);
      const { load, cpu } = await underLoad(target, request, count, durationMs);
      return {
        'CPU per chunk, µs': cpu / (load.answers * wanted.chunks),
        'first byte p50, ms': middle(load.firstByteMs),
        'RSS, MiB': residentMib(target.pids),
        failures: load.failures,
      };
    },
  };
}

const latency: Scenario = {
  ...{ name: 'latency', isForAll: true, mostRounds: MANY_ROUNDS },
  what: '200 plain requests per second, however long they take; less what the provider itself takes',
  run: async (target, { durationMs, providerPort }) => {
    const plan = { requestsPerSecond: 200, durationMs };
    await openLoop(target.port, chatRequest(target, WHOLE_ANSWER), { ...plan, durationMs: WARM_UP_MS });
    const direct = await openLoop(providerPort, chatRequest(target, WHOLE_ANSWER), plan);
    const through = await openLoop(target.port, chatRequest(target, WHOLE_ANSWER), plan);
    return {
      'added p50, ms': middle(through.totalMs) - middle(direct.totalMs),
      'added p99, ms': at99(through.totalMs) - at99(direct.totalMs),
      failures: through.failures,
    };
  },
};

/** Memory of many streams that are open at once. */
function manyStreams(name: string, count: number): Scenario {
  const wanted: WantedAnswer = { chunks: 30, delayMs: 1_000, bytes: 24 };
  return {
    ...{ name, isForAll: true, mostRounds: 1 },
    what: `${count} streams open at once, 30 chunks a second apart`,
    run: async (target) => {
      const opened = await openStreams(target.port, chatRequest(target, wanted), count);
      let most = 0;
      let mostOpen = 0;
      const watch = setInterval(() => {
        most = Math.max(most, residentMib(target.pids));
        mostOpen = Math.max(mostOpen, opened.open());
      }, 500);
      const { failures } = await opened.ended();
      clearInterval(watch);
      return {
        'RSS, MiB': most,
        'KiB per stream': ((most - target.idleMib) * 1024) / count,
        'open at once': mostOpen,
        failures,
      };
    },
  };
}

/** Ten seconds: without reading, uWebSockets.js would cut a client then. */
const SLOW_TURNS = 40;

const slowReaders: Scenario = {
  ...{ name: 'slow-readers', isForAll: true, mostRounds: 1 },
  what: '8 clients that read 256 KiB/s of 50 MB each',
  run: async (target) => {
    const request = chatRequest(target, { chunks: 3_200, delayMs: 0, bytes: 16_384 });
    const before = residentMib(target.pids);
    const readers = Array.from({ length: 8 }, () => new BenchConnection(target.port));
    let most = before;
    let received = 0;
    for (const reader of readers) {
      void reader.ask(request);
      // A piece is 64 KiB at most; a quarter of a second later the next one is read.
      reader.socket.on('data', () => reader.socket.pause());
    }
    const watch = setInterval(() => {
      most = Math.max(most, residentMib(target.pids));
    }, 50);
    for (let turn = 0; turn < SLOW_TURNS; turn += 1) {
      await delay(250);
      for (const { socket, receivedBytes } of readers) {
        received = Math.max(received, receivedBytes);
        socket.resume();
      }
    }
    clearInterval(watch);
    for (const reader of readers) reader.close();
    return { 'RSS growth, MiB': most - before, 'read by one, MiB': received / MEGABYTE };
  },
};

const aborts: Scenario = {
  ...{ name: 'aborts', isForAll: true, mostRounds: 1 },
  what: '200 clients that leave in the middle of their stream; upstream streams that go on half a second later',
  run: async (target, { providerPort }) => {
    const before = await providerStats(providerPort);
    const opened = await openStreams(
      target.port,
      chatRequest(target, { chunks: 64, delayMs: 100, bytes: 24 }),
      200,
    );
    while (opened.begun() < 200) await delay(20);
    for (const connection of opened.connections) connection.close();
    await delay(500);
    const after = await providerStats(providerPort);
    return { 'left running': after.open - before.open, cancelled: after.left - before.left };
  },
};

async function providerStats(port: number): Promise<{ open: number; left: number }> {
  const answer = await fetch(`http://127.0.0.1:${port}/stats`, { headers: { connection: 'close' } });
  return (await answer.json()) as { open: number; left: number };
}

/** A long prompt of words, as tokens come to about four bytes. */
const LONG_PROMPT_WORDS = 200_000;
const PICTURE_BYTES = 15 * MEGABYTE;

function largeBodies(name: string, what: string, requestTo: (target: BenchTarget) => BenchRequest): Scenario {
  return {
    ...{ name, what, isForAll: true, mostRounds: MANY_ROUNDS },
    run: async (target, { durationMs }) => {
      const request = requestTo(target);
      const { load, cpu } = await underLoad(target, request, 1, durationMs);
      const small = chatRequest(target, WHOLE_ANSWER);
      const [beside, pings] = await Promise.all([
        closedLoop(target.port, request, { connections: 1, durationMs }),
        openLoop(target.port, small, { requestsPerSecond: 200, durationMs }),
      ]);
      return {
        'CPU per request, ms': cpu / load.answers / 1_000,
        'small request beside it p99, ms': at99(pings.totalMs),
        failures: load.failures + beside.failures + pings.failures,
      };
    },
  };
}

export const SCENARIOS: readonly Scenario[] = [
  // Memory first: what other scenarios leave behind is not what these take.
  slowReaders,
  manyStreams('streams-1000', 1_000),
  manyStreams('streams-5000', 5_000),
  manyStreams('streams-10000', 10_000),
  requests('requests', 64),
  streams('chunks-100', 100, 5, 'forward'),
  streams('chunks-1000', 1_000, 20, 'forward'),
  streams('translate', 100, 5, 'translate'),
  latency,
  aborts,
  largeBodies('long-prompt', 'prompts of 200,000 tokens, beside 200 small requests per second', (target) =>
    chatRequest(target, WHOLE_ANSWER, 'word '.repeat(LONG_PROMPT_WORDS)),
  ),
  largeBodies(
    'picture',
    'pictures that make bodies of 20 MB, beside 200 small requests per second',
    (target) => pictureRequest(target, PICTURE_BYTES),
  ),
];
