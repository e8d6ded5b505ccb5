import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { choosePort } from '#control-plane/supervisor/network-ports.ts';
import { findRedisProgram } from '#control-plane/supervisor/redis-program.ts';
import { searchPath } from './settings.ts';

const RECONNECT_MS = 50;

/** A Redis of the simulation's own that keeps nothing: killed or wiped, it comes back empty on the same port. */
export class KillableRedis {
  readonly url: string;
  readonly client: Redis;
  readonly #port: number;
  #child: ChildProcess | undefined;

  constructor(port: number) {
    this.#port = port;
    this.url = `redis://127.0.0.1:${port}/0`;
    this.client = new Redis(this.url, { maxRetriesPerRequest: null, retryStrategy: () => RECONNECT_MS });
    this.client.on('error', () => undefined);
  }

  static async start(): Promise<KillableRedis> {
    const redis = new KillableRedis(await choosePort(undefined));
    await redis.#start();
    return redis;
  }

  /** Everything in it is lost, its run id with it. */
  async restart(): Promise<void> {
    await this.#kill();
    await this.#start();
  }

  async freeze(durationMs: number): Promise<void> {
    this.#child?.kill('SIGSTOP');
    await delay(durationMs);
    this.#child?.kill('SIGCONT');
  }

  async discard(): Promise<void> {
    this.client.disconnect();
    await this.#kill();
  }

  async #start(): Promise<void> {
    const program = findRedisProgram({ PATH: searchPath() });
    if (program === undefined) throw new Error('No Redis program is installed');
    this.#child = spawn(
      program.file,
      ['--port', String(this.#port), '--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction'],
      { argv0: program.invokedAs, stdio: 'ignore' },
    );
    while ((await this.client.ping().catch(() => '')) !== 'PONG') await delay(20);
  }

  async #kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }
}
