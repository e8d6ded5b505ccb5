import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { LentOrder, LentReport } from './lent-protocol.ts';
import { searchPath } from './settings.ts';

export interface LentProcessOptions {
  /** Where the source is: this repository, or a copy with a planted mutant. */
  readonly sourceRoot: string;
  readonly redisUrl: string;
  readonly home: string;
  readonly slot: number;
  readonly slotCount: number;
  readonly onReport: (report: LentReport) => void;
}

/** One slot of the simulated data plane: its process, which may be killed at any moment and is then started anew. */
export class LentProcess {
  readonly #options: LentProcessOptions;
  #child: ChildProcess | undefined;
  #ready: Promise<void> = Promise.resolve();
  spoolId: string | undefined;

  constructor(options: LentProcessOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { sourceRoot, redisUrl, home, slot, slotCount, onReport } = this.#options;
    const child = fork(path.join(sourceRoot, 'test/invariants/lent-process-main.ts'), {
      cwd: sourceRoot,
      env: {
        PATH: searchPath(),
        REDIS_URL: redisUrl,
        CROSSMODEL_HOME: home,
        SLOT: String(slot),
        SLOT_COUNT: String(slotCount),
      },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child = child;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ready = promise;
    child.on('message', (report: LentReport) => {
      if (report.kind === 'ready') {
        this.spoolId = report.spoolId;
        resolve();
      }
      onReport(report);
    });
    await Promise.race([this.#ready, once(child, 'exit')]);
  }

  send(order: LentOrder): void {
    if (this.#child?.connected) this.#child.send(order);
  }

  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    await this.#end((child) => child.kill('SIGKILL'));
  }

  /** Gives everything back and ends, as at the end of a deployment. */
  async stop(): Promise<void> {
    await this.#end(() => this.send({ kind: 'stop' }));
  }

  async #end(how: (child: ChildProcess) => void): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    this.spoolId = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    this.#child = child;
    how(child);
    this.#child = undefined;
    await exited;
  }
}
