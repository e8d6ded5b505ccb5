import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '#shared/clock.ts';
import { controlApi } from '#test/acceptance/control-api.ts';
import { publishedPrices } from '#test/acceptance/hand-price.ts';
import { type RunningProduct, startProduct } from '#test/acceptance/running-product.ts';
import { COMPONENTS, type Kill, type KillPlan, killAtRandom, watchForCrashes } from './chaos-kills.ts';
import { type LoadReport, type LoadSecond, startLoad } from './chaos-load.ts';
import type { Verdict } from './chaos-verdict.ts';
import { PROVIDER_KEY, startProviderProcess } from './provider-process.ts';
import { untilRecorded, verdictOf } from './recorded-answers.ts';
import { seededRandom } from './seeded-random.ts';

const MODELS = ['openai/gpt-5-mini', 'openai/gpt-4o-mini'];
const CREDIT_USD = '10000.00';
const WARM_UP_ANSWERS = 20;
const SETTLE_MS = 3_000;

export interface ChaosOptions extends KillPlan {
  readonly requestsPerSecond: number;
  readonly seed: number;
  readonly dataPlaneProcesses: number;
  /** Leaves the state folder with its logs behind, for looking into what happened. */
  readonly keepsState?: boolean;
  /** Progress for people; one line per call. */
  readonly say: (line: string) => void;
}

export interface ChaosReport {
  readonly options: Omit<ChaosOptions, 'say' | 'keepsState'>;
  readonly kills: readonly Kill[];
  /** Names of processes that ended without being killed. */
  readonly crashes: readonly string[];
  readonly load: LoadReport;
  readonly records: number;
  readonly verdict: Verdict;
  readonly durationMs: number;
}

/**
 * Runs the whole product under load against a provider that keeps its own book, kills every component at random moments,
 * and then asks: is every answer that reached a client whole billed exactly once, with exactly the tokens that the provider
 * stated? Rejects when the run itself fails (a component that stays down); a wrong bill is in the verdict.
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
    try {
      const outcome = await loadAndKill(product, bookPath, options);
      const { say, keepsState, ...shown } = options;
      return { options: shown, ...outcome, durationMs: systemClock.monotonicMs() - startedAtMs };
    } finally {
      await product.stop(options.keepsState);
    }
  } finally {
    await provider.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function loadAndKill(
  product: RunningProduct,
  bookPath: string,
  options: ChaosOptions,
): Promise<Pick<ChaosReport, 'kills' | 'crashes' | 'load' | 'records' | 'verdict'>> {
  const api = controlApi(product.access.graphqlUrl, product.access.operatorToken);
  const accountId = await api.createAccount('Chaos');
  await api.grantCredit(accountId, CREDIT_USD);
  const { secret } = await api.createKey(accountId, { rpmLimit: 1_000_000, tpmLimit: 1_000_000_000 });
  const prices = await publishedPrices(product.access.dataPlaneUrl);
  const random = seededRandom(options.seed);
  const load = startLoad({
    dataPlaneUrl: product.access.dataPlaneUrl,
    apiKey: secret,
    models: MODELS,
    requestsPerSecond: options.requestsPerSecond,
    random: seededRandom(options.seed + 1),
  });
  const watch = watchForCrashes(product);
  let report: LoadReport | undefined;
  let kills: Kill[];
  let crashes: string[] = [];
  try {
    while (load.completedSoFar < WARM_UP_ANSWERS) await delay(100);
    options.say(`load is on: ${options.requestsPerSecond} requests/s, seed ${options.seed}`);
    kills = await killAtRandom(product, options, random, (kill) =>
      options.say(
        `${(kill.atMs / 1000).toFixed(1)} s: killed ${kill.processName} (${kill.pid}), back after ${Math.round(kill.recoveredAfterMs)} ms`,
      ),
    );
    // The last victims get some load as well.
    await delay(SETTLE_MS);
    const killed = new Set(kills.map((kill) => kill.pid));
    crashes = watch
      .stop()
      .filter((pid) => !killed.has(pid))
      .map((pid) => watch.seen.get(pid) ?? '');
  } finally {
    watch.stop();
    report = await load.stop();
  }
  options.say(
    `load is off: ${report.completed.length} of ${report.sent} answers complete; waiting for the records`,
  );
  const records = await untilRecorded(api, accountId, report.completed);
  const verdict = await verdictOf(api, {
    accountId,
    creditUsd: CREDIT_USD,
    bookPath,
    prices,
    completed: report.completed,
    records,
  });
  return { kills, crashes, load: report, records: records.length, verdict };
}

/** The report as text: what was done, what came of it, and each problem on a line of its own. */
export function formatChaosReport(report: ChaosReport): string {
  const { load, verdict, options } = report;
  const kills = COMPONENTS.map((component) => {
    const times = report.kills
      .filter((kill) => kill.component === component)
      .map((kill) => kill.recoveredAfterMs);
    const sorted = times.toSorted((left, right) => left - right).map(Math.round);
    return `  ${component.padEnd(14)} ${times.length} kills, back after ${sorted[0] ?? '-'} / ${sorted[sorted.length >> 1] ?? '-'} / ${sorted.at(-1) ?? '-'} ms (min / median / max)`;
  });
  const failures = [...load.failures].map(([name, count]) => `    ${count} ${name}`);
  return [
    `chaos: seed ${options.seed}, ${options.requestsPerSecond} requests/s, ${Math.round(report.durationMs / 1000)} s`,
    ...kills,
    `  own crashes    ${report.crashes.length === 0 ? 'none' : report.crashes.join(', ')}`,
    `  requests       ${load.sent} sent, ${load.completed.length} complete at the client, ${load.skipped} skipped`,
    `  not complete   ${load.sent - load.completed.length}`,
    ...failures,
    `  by the second  ${load.seconds.map(shareCompleted).join('')} (tenths that completed, * all)`,
    `  records        ${report.records}, cost ${verdict.recordedCost} nano-USD`,
    `  exactly billed ${verdict.billedExactly} of ${load.completed.length}`,
    `  problems       ${verdict.problems.length}`,
    ...verdict.problems.slice(0, 40).map((problem) => `    ${problem}`),
    '',
  ].join('\n');
}

function shareCompleted({ completed, failed }: LoadSecond): string {
  return failed === 0 ? '*' : String(Math.floor((10 * completed) / (completed + failed)));
}

/** Why the run does not count as passed; empty when it does. */
export function failuresOf(report: ChaosReport): string[] {
  const { killsPerComponent } = report.options;
  const missing = COMPONENTS.filter(
    (component) => report.kills.filter((kill) => kill.component === component).length < killsPerComponent,
  );
  return [
    ...missing.map((component) => `fewer than ${killsPerComponent} kills of ${component}`),
    ...(report.load.completed.length === 0 ? ['no request completed'] : []),
    ...report.verdict.problems,
  ];
}
