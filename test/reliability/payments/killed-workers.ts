import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { SeededRandom } from '../seeded-random.ts';

const LONGEST_LIFE_MS = 2_500;
const SHORTEST_LIFE_MS = 300;

/** Real worker processes, each killed with SIGKILL at a random moment of its life and started again. */
export class KilledWorkers {
  readonly #environment: NodeJS.ProcessEnv;
  readonly #random: SeededRandom;
  readonly #loops: Promise<void>[] = [];
  readonly #running = new Set<ChildProcess>();
  #killing = true;
  #stopping = false;
  #kills = 0;

  constructor(environment: NodeJS.ProcessEnv, random: SeededRandom) {
    this.#environment = environment;
    this.#random = random;
  }

  get kills(): number {
    return this.#kills;
  }

  /** Starts so many workers and keeps killing them until {@link spare}. */
  start(count: number): void {
    for (let index = 0; index < count; index += 1) this.#loops.push(this.#live());
  }

  /** From now on the workers live. */
  spare(): void {
    this.#killing = false;
  }

  async stop(): Promise<void> {
    this.#killing = false;
    this.#stopping = true;
    for (const child of this.#running) child.kill('SIGTERM');
    await Promise.all(this.#loops);
  }

  async #live(): Promise<void> {
    for (;;) {
      const last = !this.#killing;
      const child = spawn(process.execPath, ['control-plane/main.ts'], {
        env: this.#environment,
        stdio: ['ignore', 'ignore', 'ignore'],
      });
      this.#running.add(child);
      const lifeMs = this.#random.between(SHORTEST_LIFE_MS, LONGEST_LIFE_MS);
      const timer = setTimeout(() => {
        if (this.#killing && child.kill('SIGKILL')) this.#kills += 1;
      }, lifeMs);
      await once(child, 'exit');
      clearTimeout(timer);
      this.#running.delete(child);
      if (last || this.#stopping) return;
    }
  }
}
