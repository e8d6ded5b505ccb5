import { setTimeout as delay } from 'node:timers/promises';
import { type BenchAnswer, BenchConnection, type BenchRequest } from './bench-connection.ts';

export interface LoadFigures {
  readonly answers: number;
  readonly events: number;
  readonly failures: number;
  /** Ms, sorted. */
  readonly firstByteMs: readonly number[];
  readonly totalMs: readonly number[];
}

const CONNECTIONS_PER_TURN = 50;
const TURN_MS = 10;

class Tally {
  readonly #answers: BenchAnswer[] = [];

  add(answer: BenchAnswer): void {
    this.#answers.push(answer);
  }

  figures(): LoadFigures {
    const whole = this.#answers.filter(({ isWhole }) => isWhole);
    const sorted = (values: number[]): number[] => values.sort((left, right) => left - right);
    return {
      answers: whole.length,
      events: whole.reduce((sum, { events }) => sum + events, 0),
      failures: this.#answers.length - whole.length,
      firstByteMs: sorted(whole.map(({ firstByteMs }) => firstByteMs)),
      totalMs: sorted(whole.map(({ totalMs }) => totalMs)),
    };
  }
}

/** Keeps `connections` requests under way for `durationMs`, each connection one after the other. */
export async function closedLoop(
  port: number,
  request: BenchRequest,
  { connections, durationMs }: { readonly connections: number; readonly durationMs: number },
): Promise<LoadFigures> {
  const tally = new Tally();
  const untilMs = performance.now() + durationMs;
  const runOne = async (): Promise<void> => {
    const connection = new BenchConnection(port);
    do tally.add(await connection.ask(request));
    while (performance.now() < untilMs && !connection.socket.destroyed);
    connection.close();
  };
  await Promise.all(Array.from({ length: connections }, runOne));
  return tally.figures();
}

/** Sends so many requests per second, however long their answers take. */
export async function openLoop(
  port: number,
  request: BenchRequest,
  { requestsPerSecond, durationMs }: { readonly requestsPerSecond: number; readonly durationMs: number },
): Promise<LoadFigures> {
  const tally = new Tally();
  const idle: BenchConnection[] = [];
  const all: BenchConnection[] = [];
  const running: Promise<void>[] = [];
  const take = (): BenchConnection => {
    const connection = idle.pop() ?? new BenchConnection(port);
    if (!all.includes(connection)) all.push(connection);
    return connection;
  };
  const startedMs = performance.now();
  for (let sent = 0; performance.now() - startedMs < durationMs; ) {
    for (; sent < ((performance.now() - startedMs) * requestsPerSecond) / 1_000; sent += 1) {
      const connection = take();
      running.push(
        connection.ask(request).then((answer) => {
          tally.add(answer);
          if (!connection.socket.destroyed) idle.push(connection);
        }),
      );
    }
    await delay(1);
  }
  await Promise.all(running);
  for (const connection of all) connection.close();
  return tally.figures();
}

/** Streams opened one after the other and left to themselves. */
export interface OpenStreams {
  readonly connections: readonly BenchConnection[];
  /** How many have received something, and how many of those have not ended. */
  begun(): number;
  open(): number;
  /** When all have ended. */
  ended(): Promise<LoadFigures>;
}

export async function openStreams(port: number, request: BenchRequest, count: number): Promise<OpenStreams> {
  const tally = new Tally();
  const connections: BenchConnection[] = [];
  const running: Promise<void>[] = [];
  while (connections.length < count) {
    for (let index = 0; index < CONNECTIONS_PER_TURN && connections.length < count; index += 1) {
      const connection = new BenchConnection(port);
      connections.push(connection);
      running.push(connection.ask(request).then((answer) => tally.add(answer)));
    }
    await delay(TURN_MS);
  }
  return {
    connections,
    begun: () => connections.filter(({ receivedBytes }) => receivedBytes > 0).length,
    open: () => connections.filter(({ receivedBytes, isAsking }) => receivedBytes > 0 && isAsking).length,
    ended: async () => {
      await Promise.all(running);
      for (const connection of connections) connection.close();
      return tally.figures();
    },
  };
}
