import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '#shared/clock.ts';
import { controlApi } from '#test/acceptance/control-api.ts';
import { type RunningProduct, startProduct, within } from '#test/acceptance/running-product.ts';
import { type ChaosBooks, openBooks } from './chaos-books.ts';
import { type Load, type LoadReport, startLoad } from './chaos-load.ts';
import { PROVIDER_KEY, startProviderProcess } from './provider-process.ts';
import { seededRandom } from './seeded-random.ts';
import { judgeTrend, type Trend } from './soak-trend.ts';

const MODELS = ['openai/gpt-5-mini', 'openai/gpt-4o-mini'];
const CREDIT_USD = '100000.00';
const PROBE_RATE = 40;
const PROBE_MS = 10_000;
const LOAD_SHARE = 0.6;
const [SMALLEST_RATE, LARGEST_RATE] = [20, 500];
const SAMPLE_MS = 2_000;
/** Compiling and first growth are over after this share of the run. */
const SETTLING_SHARE = 1 / 3;
const BOOKED_WITHIN_MS = 120_000;
const KIB_PER_PAGE = 4;

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}

export interface SoakReport {
  readonly load: LoadReport;
  readonly requestsPerSecond: number;
  readonly trends: readonly Trend[];
  /** One line each; empty when the run was flat and nothing was lost. */
  readonly problems: readonly string[];
}

interface Sample {
  readonly atMinutes: number;
  readonly residentMib: number;
  readonly openFiles: number;
  /** Mean delay of the event loop since the process began to be asked, ms. */
  readonly loopDelayMs: number;
}

/**
 * Runs the product at about 60 % of what this machine can do, and fits a line through memory, open files and event-loop delay of
 * its data planes; then holds the records against what clients have received. Linux only.
 */
export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const folder = mkdtempSync(path.join(tmpdir(), 'crossmodel-soak-'));
  const provider = await startProviderProcess(path.join(folder, 'book.jsonl'));
  try {
    const product = await startProduct({
      OPENAI_API_KEY: PROVIDER_KEY,
      OPENAI_BASE_URL: provider.baseUrl,
      DATA_PLANE_PROCESSES: '1',
    });
    const books = openBooks(product);
    try {
      return await soak(product, books, options);
    } finally {
      await books.close();
      await product.stop();
    }
  } finally {
    await provider.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function soak(product: RunningProduct, books: ChaosBooks, options: SoakOptions): Promise<SoakReport> {
  const api = controlApi(product.access.graphqlUrl, product.access.operatorToken);
  const accountId = await api.createAccount('Soak');
  await api.grantCredit(accountId, CREDIT_USD);
  const { secret } = await api.createKey(accountId, { rpmLimit: 1_000_000, tpmLimit: 1_000_000_000 });
  await delay(SAMPLE_MS);
  const loadOf = (requestsPerSecond: number): Load =>
    startLoad({
      ...{ dataPlaneUrl: product.access.dataPlaneUrl, apiKey: secret, models: MODELS, requestsPerSecond },
      random: seededRandom(options.seed),
    });
  const probe = loadOf(PROBE_RATE);
  const requestsPerSecond = await rateOfShare(LOAD_SHARE);
  const probed = await probe.stop();
  options.say(`${requestsPerSecond} requests/s for ${options.minutes} minutes`);
  const load = loadOf(requestsPerSecond);
  const samples = await takeSamples(product, options);
  const report = await load.stop();
  const settled = samples.slice(Math.floor(samples.length * SETTLING_SHARE));
  const trends = [
    judgeTrend('resident memory, MiB', settled.map(pointOf('residentMib')), { share: 0.08, least: 16 }),
    judgeTrend('open files', settled.map(pointOf('openFiles')), { share: 0.1, least: 16 }),
    judgeTrend('event-loop delay, ms', settled.map(pointOf('loopDelayMs')), { share: 0.5, least: 3 }),
  ];
  const lost = await lostRecords(books, [probed, report]);
  const failed = [...report.failures].map(
    ([name, count]) => `${count} of ${report.sent} requests failed: ${name}`,
  );
  const rising = trends.filter(({ isFlat }) => !isFlat).map(({ text }) => `not flat: ${text}`);
  return { load: report, requestsPerSecond, trends, problems: [...failed, ...rising, ...lost] };
}

const pointOf =
  (figure: Exclude<keyof Sample, 'atMinutes'>) =>
  (sample: Sample): { x: number; y: number } => ({ x: sample.atMinutes, y: sample[figure] });

/** The rate at which this machine would be busy for a share of its time, if the probe that runs now is all it does. */
async function rateOfShare(share: number): Promise<number> {
  const before = machineTicks();
  await delay(PROBE_MS);
  const after = machineTicks();
  const busyShare = (after.busy - before.busy) / (after.all - before.all);
  return Math.round(Math.min(LARGEST_RATE, Math.max(SMALLEST_RATE, (PROBE_RATE * share) / busyShare)));
}

function machineTicks(): { busy: number; all: number } {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const all = ticks.reduce((sum, count) => sum + count, 0);
  return { all, busy: all - (ticks[3] ?? 0) - (ticks[4] ?? 0) };
}

async function takeSamples(product: RunningProduct, { minutes, say }: SoakOptions): Promise<Sample[]> {
  const samples: Sample[] = [];
  const startedMs = systemClock.monotonicMs();
  const elapsedMinutes = (): number => (systemClock.monotonicMs() - startedMs) / 60_000;
  while (elapsedMinutes() < minutes) {
    await delay(SAMPLE_MS);
    const pid = product.processes()['data-plane-0'];
    if (pid === undefined) continue;
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
    const sample = {
      atMinutes: elapsedMinutes(),
      residentMib: (pages * KIB_PER_PAGE) / 1024,
      openFiles: readdirSync(`/proc/${pid}/fd`).length,
      loopDelayMs: await readLoopDelayMs(product),
    };
    samples.push(sample);
    if (samples.length % 15 === 0)
      say(
        `${sample.atMinutes.toFixed(1)} min: ${sample.residentMib.toFixed(0)} MiB, ${sample.openFiles} files, loop delay ${sample.loopDelayMs.toFixed(2)} ms`,
      );
  }
  return samples;
}

/** From the process's own metrics: what Node's monitor has measured since it was last read, less its own resolution. */
async function readLoopDelayMs(product: RunningProduct): Promise<number> {
  const file = path.join(product.home, 'metrics', 'data-plane-0.json');
  const [{ targets }] = JSON.parse(readFileSync(file, 'utf8')) as [{ targets: string[] }];
  const text = await (await fetch(`http://${targets[0]}/metrics`)).text();
  return Number(/^nodejs_eventloop_lag_p50_seconds(?:\{[^}]*\})? (\S+)$/m.exec(text)?.[1]) * 1_000;
}

/** Completed answers without a record, and what the product's own reconciliation finds. */
async function lostRecords(books: ChaosBooks, loads: readonly LoadReport[]): Promise<string[]> {
  const completed = loads.flatMap((load) => load.completed.map(({ requestId }) => requestId));
  const isBooked = async (): Promise<boolean> => (await bookedIds(books)).size >= completed.length;
  await within(BOOKED_WITHIN_MS, isBooked);
  const booked = await bookedIds(books);
  const lost = completed.filter((requestId) => !booked.has(requestId.replace(/^req_cm_/, '')));
  return [
    ...(lost.length === 0 ? [] : [`${lost.length} records lost, such as ${lost[0]}`]),
    ...(await books.reconcile()),
  ];
}

async function bookedIds({ clients: { sql } }: ChaosBooks): Promise<Set<string>> {
  const rows = await sql<{ id: string }[]>`
    select replace(request_id::text, '-', '') as id from usage_records where status = 'success'`;
  return new Set(rows.map(({ id }) => id));
}
