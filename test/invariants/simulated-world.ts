import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openDatabase } from '#db/client.ts';
import type { NanoUsd } from '#shared/money.ts';
import type { SeededRandom } from '#test/reliability/seeded-random.ts';
import { freshTestDatabaseUrl } from '#test/setup/test-backends.ts';
import { KillableRedis } from './killable-redis.ts';
import { KillableWorker } from './killable-worker.ts';
import { LentProcess } from './lent-process.ts';
import type { LentReport } from './lent-protocol.ts';
import { openCustomer, recordOf, type SimulatedCustomer } from './simulated-customer.ts';

/** What became of one request, as its client knows it. */
export interface SimulatedRequest {
  readonly number: number;
  readonly requestId: string;
  readonly customer: SimulatedCustomer;
  readonly costNano: NanoUsd;
  state: 'sent' | 'admitted' | 'completed' | 'refused';
  reason?: string;
}

export interface WorldOptions {
  readonly sourceRoot: string;
  readonly processes: number;
  readonly customers: number;
}

const CREDIT_NANO = 2_000_000_000n;
const BUDGET_NANO = 600_000_000n;
/** A request takes at most so long. */
const LONGEST_MS = 250;

/** Real processes, a real Redis, a real database: everything that money passes through, without HTTP in front. */
export class SimulatedWorld {
  readonly clients: ReturnType<typeof openDatabase>;
  readonly redis: KillableRedis;
  readonly worker: KillableWorker;
  readonly processes: LentProcess[];
  readonly customers: SimulatedCustomer[] = [];
  readonly requests: SimulatedRequest[] = [];
  readonly trace: string[] = [];
  readonly #home: string;
  readonly #startedAtMs = performance.now();

  constructor(options: WorldOptions, databaseUrl: string, redis: KillableRedis) {
    this.#home = mkdtempSync(path.join(tmpdir(), 'crossmodel-simulation-'));
    this.clients = openDatabase(databaseUrl, { max: 4, applicationName: 'simulation' });
    this.redis = redis;
    const { sourceRoot } = options;
    this.worker = new KillableWorker({ sourceRoot, redisUrl: redis.url, databaseUrl, home: this.#home });
    this.processes = Array.from({ length: options.processes }, (_, slot) =>
      this.process(sourceRoot, slot, options.processes),
    );
  }

  static async open(options: WorldOptions): Promise<SimulatedWorld> {
    const redis = await KillableRedis.start();
    const world = new SimulatedWorld(options, await freshTestDatabaseUrl(), redis);
    for (let index = 0; index < options.customers; index += 1)
      world.customers.push(
        await openCustomer(world.clients, {
          creditNano: CREDIT_NANO,
          mayOverdraw: index === 1,
          budgetNano: index === 2 ? BUDGET_NANO : null,
        }),
      );
    world.worker.start();
    await Promise.all(world.processes.map((process) => process.start()));
    return world;
  }

  process(sourceRoot: string, slot: number, slotCount: number): LentProcess {
    return new LentProcess({
      sourceRoot,
      redisUrl: this.redis.url,
      home: this.#home,
      slot,
      slotCount,
      onReport: (report) => this.#note(report),
    });
  }

  /** Sends a request of a random customer to a random process. */
  send(random: SeededRandom, twice: boolean): void {
    const customer = this.customers[random.between(0, this.customers.length)];
    const process = this.processes[random.between(0, this.processes.length)];
    if (customer === undefined || process === undefined) return;
    const record = recordOf(customer, { input: random.between(0, 40_000), output: random.between(0, 4_000) });
    const costNano = BigInt(record.costNano);
    const number = this.requests.length;
    this.requests.push({ number, requestId: record.requestId, customer, costNano, state: 'sent' });
    process.send({
      kind: 'request',
      number,
      key: JSON.stringify(customer.key),
      holdNano: (costNano + BigInt(random.between(0, 20_000_000))).toString(),
      tokens: random.between(1, 1_000),
      durationMs: random.between(0, LONGEST_MS),
      record: JSON.stringify(record),
      twice,
    });
  }

  /** Remembers what was done, for whoever has to find out why a seed fails. */
  tell(line: string): void {
    this.trace.push(`${Math.round(performance.now() - this.#startedAtMs)} ms ${line}`);
  }

  async close(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.kill()));
    await this.worker.kill();
    await this.redis.discard();
    await this.clients.close();
    rmSync(this.#home, { recursive: true, force: true });
  }

  #note(report: LentReport): void {
    if (report.kind === 'ready') return;
    const request = this.requests[report.number];
    if (request === undefined || request.state === 'completed') return;
    request.state = report.kind;
    if (report.kind === 'refused') request.reason = report.reason;
  }
}
