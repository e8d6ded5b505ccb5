import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '#shared/clock.ts';
import { controlApi, nanoUsd } from '#test/acceptance/control-api.ts';
import { publishedPrices } from '#test/acceptance/hand-price.ts';
import { type RunningProduct, startProduct } from '#test/acceptance/running-product.ts';
import { readBookFile } from '#test/fakes/mock-book.ts';
import { type Backlog, bookedOf, leaveBacklog, problemsOfBacklog } from './chaos-backlog.ts';
import { type ChaosBooks, openBooks } from './chaos-books.ts';
import { COMPONENTS, isAlive, watchForCrashes } from './chaos-components.ts';
import {
  type Disturbance,
  type DisturbancePlan,
  describeDisturbance,
  disturbAtRandom,
} from './chaos-disturbances.ts';
import { type CompletedAnswer, type LoadReport, startLoad } from './chaos-load.ts';
import { judge, type Verdict } from './chaos-verdict.ts';
import { PROVIDER_KEY, startProviderProcess } from './provider-process.ts';
import { seededRandom } from './seeded-random.ts';

const MODELS = ['openai/gpt-5-mini', 'openai/gpt-4o-mini'];
const CREDIT_USD = '10000.00';
const WARM_UP_ANSWERS = 20;
const QUIESCENCE_TIMEOUT_MS = 180_000;
const QUIESCENCE_POLL_MS = 2_000;
const SETTLE_MS = 3_000;

export interface ChaosOptions extends DisturbancePlan {
  readonly requestsPerSecond: number;
  readonly seed: number;
  readonly dataPlaneProcesses: number;
  /** Records of ended processes that are still to be booked when the load begins. */
  readonly backlogRecords: number;
  /** Leaves the state folder with its logs behind, for looking into what happened. */
  readonly keepsState?: boolean;
  /** Progress for people; one line per call. */
  readonly say: (line: string) => void;
}

export interface ChaosReport {
  readonly options: Omit<ChaosOptions, 'say' | 'keepsState'>;
  readonly disturbances: readonly Disturbance[];
  /** Names of processes that ended without being killed. */
  readonly crashes: readonly string[];
  readonly load: LoadReport;
  readonly records: number;
  readonly verdict: Verdict;
  /** What the audit of the stores found after everything had settled. */
  readonly audit: readonly string[];
  readonly durationMs: number;
}

/**
 * Runs the whole product under load against a provider that keeps its own book, kills and freezes every component at random
 * moments, and then asks: is every answer that reached a client whole billed exactly once, with exactly the tokens that the
 * provider stated? Is nothing held any more, and does every figure agree with every other? Rejects when the run itself fails
 * (a component that stays down); a wrong bill is in the verdict.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const startedAtMs = systemClock.monotonicMs();
  const folder = mkdtempSync(path.join(tmpdir(), 'crossmodel-chaos-'));
  const bookPath = path.join(folder, 'book.jsonl');
  const provider = await startProviderProcess(bookPath);
  try {
    const product = await startProduct({
      OPENAI_API_KEY: PROVIDER_KEY,
      OPENAI_BASE_URL: provider.baseUrl,
      DATA_PLANE_PROCESSES: String(options.dataPlaneProcesses),
    });
    const books = openBooks(product);
    try {
      const outcome = await loadAndDisturb({ product, books, bookPath, options });
      const { say, keepsState, ...shown } = options;
      return { options: shown, ...outcome, durationMs: systemClock.monotonicMs() - startedAtMs };
    } finally {
      await books.close();
      await product.stop(options.keepsState);
    }
  } finally {
    await provider.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Run {
  readonly product: RunningProduct;
  readonly books: ChaosBooks;
  readonly bookPath: string;
  readonly options: ChaosOptions;
}

async function loadAndDisturb(run: Run): Promise<Omit<ChaosReport, 'options' | 'durationMs'>> {
  const { product, books, options } = run;
  const { say } = options;
  const api = controlApi(product.access.graphqlUrl, product.access.operatorToken);
  const accountId = await api.createAccount('Chaos');
  await api.grantCredit(accountId, CREDIT_USD);
  const { secret } = await api.createKey(accountId, { rpmLimit: 1_000_000, tpmLimit: 1_000_000_000 });
  const prices = await publishedPrices(product.access.dataPlaneUrl);
  const backlog = await leaveBacklog(
    books.clients.sql,
    product.home,
    options.dataPlaneProcesses,
    options.backlogRecords,
  );
  const { disturbances, crashes, load } = await disturbUnderLoad(product, secret, options);
  say(`load is off: ${load.completed.length} of ${load.sent} answers complete; waiting for the records`);
  const late = await untilSettled(books, backlog, load.completed, say);
  const records = await books.usageOf(accountId);
  const balanceDrop = nanoUsd(CREDIT_USD) - nanoUsd(await api.availableUsd(accountId));
  const book = readBookFile(run.bookPath);
  const verdict = judge({ completed: load.completed, book, records, prices, balanceDrop });
  const audit = [
    ...late,
    ...(await problemsOfBacklog(books.clients.sql, backlog)),
    ...(await books.untilNothingIsHeld(secret, QUIESCENCE_TIMEOUT_MS)),
    ...(await books.reconcile()),
    ...absentProcesses(product, options),
  ];
  return { disturbances, crashes, load, records: records.length, verdict, audit };
}

async function disturbUnderLoad(
  product: RunningProduct,
  apiKey: string,
  options: ChaosOptions,
): Promise<Pick<ChaosReport, 'disturbances' | 'crashes' | 'load'>> {
  const { say, seed, requestsPerSecond } = options;
  const load = startLoad({
    dataPlaneUrl: product.access.dataPlaneUrl,
    apiKey,
    models: MODELS,
    requestsPerSecond,
    random: seededRandom(seed + 1),
  });
  const watch = watchForCrashes(product);
  let report: LoadReport | undefined;
  let disturbances: Disturbance[];
  let crashes: string[] = [];
  try {
    while (load.completedSoFar < WARM_UP_ANSWERS) await delay(100);
    say(`load is on: ${requestsPerSecond} requests/s, seed ${seed}`);
    disturbances = await disturbAtRandom(product, options, seededRandom(seed), (done) =>
      say(describeDisturbance(done)),
    );
    // The last victims get some load as well.
    await delay(SETTLE_MS);
    const killed = new Set(disturbances.filter(({ manner }) => manner === 'kill').map(({ pid }) => pid));
    crashes = watch
      .stop()
      .filter((pid) => !killed.has(pid))
      .map((pid) => watch.seen.get(pid) ?? '');
  } finally {
    watch.stop();
    report = await load.stop();
  }
  return { disturbances, crashes, load: report };
}

/** Waits until every completed request and the backlog have their rows. Returns what is missing after the deadline. */
async function untilSettled(
  { clients: { sql } }: ChaosBooks,
  backlog: Backlog,
  completed: readonly CompletedAnswer[],
  say: (line: string) => void,
): Promise<string[]> {
  const startedMs = systemClock.monotonicMs();
  let deadlineMs = startedMs + QUIESCENCE_TIMEOUT_MS;
  let before = -1;
  for (;;) {
    const [row] = await sql<{ rows: number }[]>`select count(*)::int as rows from usage_records`;
    const rows = row?.rows ?? 0;
    const isBooked = (await bookedOf(sql, backlog)) === backlog.records;
    if (isBooked && rows === before && rows >= completed.length + backlog.records) {
      say(`all is booked ${Math.round((systemClock.monotonicMs() - startedMs) / 1000)} s after the load`);
      return [];
    }
    // What goes on may take its time.
    if (rows > before) deadlineMs = systemClock.monotonicMs() + QUIESCENCE_TIMEOUT_MS;
    if (systemClock.monotonicMs() > deadlineMs) return [`only ${rows} rows, and no more come`];
    before = rows;
    await delay(QUIESCENCE_POLL_MS);
  }
}

function absentProcesses(product: RunningProduct, { dataPlaneProcesses }: ChaosOptions): string[] {
  const alive = Object.entries(product.processes() ?? {}).filter(([, pid]) => isAlive(pid));
  const expected = COMPONENTS.length - 1 + dataPlaneProcesses;
  return alive.length >= expected ? [] : [`only ${alive.map(([name]) => name).join(', ')} run`];
}
