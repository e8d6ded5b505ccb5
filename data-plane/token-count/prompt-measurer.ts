import { Worker } from 'node:worker_threads';
import type { Dialect } from '#shared/usage-record.ts';
import type { MeasureJob, MeasureResult } from './count-worker.ts';
import type { PromptMeasure } from './prompt-measure.ts';

const MAX_WAITING = 64;
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
/** A worker that fails or hangs is given up; the next job starts another. */
const JOB_TIMEOUT_MS = 10_000;

/** Measures prompts in a thread of its own, which lives only while there is work: an idle one would keep its 90 MB. */
export class PromptMeasurer {
  readonly #idleMs: number;
  readonly #waiting = new Map<number, (measure?: PromptMeasure) => void>();
  #waitingBytes = 0;
  #lastId = 0;
  #worker: Worker | undefined;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(idleMs: number) {
    this.#idleMs = idleMs;
  }

  /** Whether the thread runs at this moment. */
  get running(): boolean {
    return this.#worker !== undefined;
  }

  /** `undefined` when the body is no request, or when there is too much to do already. */
  measure(dialect: Dialect, body: Buffer): Promise<PromptMeasure | undefined> {
    const isBusy = this.#waiting.size >= MAX_WAITING || this.#waitingBytes + body.length > MAX_WAITING_BYTES;
    if (isBusy) return Promise.resolve(undefined);
    const worker = this.#start();
    this.#lastId += 1;
    const id = this.#lastId;
    this.#waitingBytes += body.length;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#giveUp(worker), JOB_TIMEOUT_MS);
      timer.unref();
      const finish = (measure?: PromptMeasure): void => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        this.#waitingBytes -= body.length;
        resolve(measure);
      };
      this.#waiting.set(id, finish);
      // A copy of its own, handed over whole: the pool that small bodies lie in must stay here.
      const copy = new Uint8Array(body);
      const job: MeasureJob = { id, dialect, body: copy };
      worker.postMessage(job, [copy.buffer]);
    });
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#forget();
    await worker?.terminate();
  }

  #start(): Worker {
    clearTimeout(this.#idleTimer);
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(new URL('./count-worker.ts', import.meta.url), { name: 'token-count' });
    worker.unref();
    worker.on('message', ({ id, measure }: MeasureResult) => {
      this.#waiting.get(id)?.(measure);
      if (this.#waiting.size === 0) this.#restSoon(worker);
    });
    worker.on('error', () => this.#giveUp(worker));
    this.#worker = worker;
    return worker;
  }

  #restSoon(worker: Worker): void {
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => this.#giveUp(worker), this.#idleMs).unref();
  }

  #giveUp(worker: Worker): void {
    if (this.#worker !== worker) return;
    this.#forget();
    worker.terminate().catch(() => undefined);
  }

  #forget(): void {
    clearTimeout(this.#idleTimer);
    this.#worker = undefined;
    for (const finish of [...this.#waiting.values()]) finish();
  }
}
