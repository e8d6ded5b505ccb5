import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { controlApi } from '#test/acceptance/control-api.ts';
import { publishedPrices } from '#test/acceptance/hand-price.ts';
import { type RunningProduct, startProduct, within } from '#test/acceptance/running-product.ts';
import { bareEnvironment } from '#test/acceptance/settings.ts';
import { readBookFile } from '#test/fakes/mock-book.ts';
import type { MockScript } from '#test/fakes/mock-script.ts';
import { REPOSITORY_ROOT } from '#test/rules/source-files.ts';
import { type LoadReport, startLoad } from './chaos-load.ts';
import { PROVIDER_KEY, startProviderProcess } from './provider-process.ts';
import { untilRecorded, verdictOf } from './recorded-answers.ts';
import { type SeededRandom, seededRandom } from './seeded-random.ts';

const MODELS = ['openai/gpt-5-mini', 'openai/gpt-4o-mini'];
const CREDIT_USD = '10000.00';
const WARM_UP_ANSWERS = 20;
const KEY_KNOWN_AFTER_MS = 1_500;
const SETTLE_MS = 1_000;
const RENEWAL_TIMEOUT_MS = 60_000;
const LONG_STREAM_SHARE = 0.1;

export interface RollingOptions {
  readonly dataPlaneProcesses: number;
  readonly requestsPerSecond: number;
  readonly restarts: number;
  /** `command`: the product's own. `terminated`: somebody sends SIGTERM to one process after the other. */
  readonly by: 'command' | 'terminated';
  /** Of the streams that are meant to run across a restart. */
  readonly longStreamMs: number;
  readonly seed: number;
}

export interface RollingReport {
  readonly load: LoadReport;
  /** Data-plane processes that ran at one time or another. */
  readonly processesSeen: number;
  /** One line each; empty when nothing was lost. */
  readonly problems: readonly string[];
}

/**
 * Restarts the data plane again and again under a mix of kept and new connections, plain answers, short and long streams,
 * and holds what clients, the provider and the ledger know against each other.
 */
export async function runRollingRestarts(options: RollingOptions): Promise<RollingReport> {
  const folder = mkdtempSync(path.join(tmpdir(), 'crossmodel-rolling-'));
  const bookPath = path.join(folder, 'book.jsonl');
  const provider = await startProviderProcess(bookPath);
  try {
    const product = await startProduct({
      OPENAI_API_KEY: PROVIDER_KEY,
      OPENAI_BASE_URL: provider.baseUrl,
      DATA_PLANE_PROCESSES: String(options.dataPlaneProcesses),
      DRAIN_TIMEOUT_MS: '30000',
    });
    try {
      return await loadAndRestart(product, bookPath, options);
    } finally {
      await product.stop();
    }
  } finally {
    await provider.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function loadAndRestart(
  product: RunningProduct,
  bookPath: string,
  options: RollingOptions,
): Promise<RollingReport> {
  const { dataPlaneUrl, graphqlUrl, operatorToken } = product.access;
  const api = controlApi(graphqlUrl, operatorToken);
  const accountId = await api.createAccount('Rolling');
  await api.grantCredit(accountId, CREDIT_USD);
  const { secret } = await api.createKey(accountId, { rpmLimit: 1_000_000, tpmLimit: 1_000_000_000 });
  const prices = await publishedPrices(dataPlaneUrl);
  // Every process knows a new key after a second.
  await delay(KEY_KNOWN_AFTER_MS);
  const load = startLoad({
    dataPlaneUrl,
    apiKey: secret,
    models: MODELS,
    requestsPerSecond: options.requestsPerSecond,
    random: seededRandom(options.seed),
    drawScript: scriptsOf(options),
    newConnectionShare: 0.3,
    reconnectsOnce: true,
  });
  const seen = new Set(dataPlanePids(product));
  let report: LoadReport | undefined;
  try {
    while (load.completedSoFar < WARM_UP_ANSWERS) await delay(50);
    for (let restart = 0; restart < options.restarts; restart += 1) {
      await renew(product, options.by);
      for (const pid of dataPlanePids(product)) seen.add(pid);
    }
    await delay(SETTLE_MS);
  } finally {
    report = await load.stop();
  }
  const records = await untilRecorded(api, accountId, report.completed);
  const { completed, failures, sent } = report;
  const verdict = await verdictOf(api, {
    accountId,
    creditUsd: CREDIT_USD,
    bookPath,
    prices,
    completed,
    records,
  });
  const asked = readBookFile(bookPath).length;
  const problems = [
    ...[...failures].map(([name, count]) => `${count} of ${sent} requests failed: ${name}`),
    ...(asked === completed.length
      ? []
      : [`${completed.length} answers, but the provider was asked ${asked} times`]),
    ...verdict.problems,
  ];
  return { load: report, processesSeen: seen.size, problems };
}

function scriptsOf({ longStreamMs }: RollingOptions): (random: SeededRandom) => MockScript {
  return (random) => {
    const isLong = random.next() < LONG_STREAM_SHARE;
    const chunks = isLong ? 20 : random.between(1, 10);
    return {
      latencyMs: random.between(0, 60),
      chunks,
      chunkDelayMs: isLong ? Math.round(longStreamMs / chunks) : random.between(0, 25),
    };
  };
}

function dataPlanePids(product: RunningProduct): number[] {
  return Object.entries(product.processes()).flatMap(([name, pid]) => (isServing(name) ? [pid] : []));
}

/** Not one that is about to take over, nor one that is about to leave. */
function isServing(name: string): boolean {
  return /^data-plane-\d+$/.test(name);
}

async function renew(product: RunningProduct, by: RollingOptions['by']): Promise<void> {
  if (by === 'command') {
    const program = path.join(REPOSITORY_ROOT, 'control-plane/supervisor/bootstrap.mjs');
    const env = { ...bareEnvironment(), CROSSMODEL_HOME: product.home };
    await promisify(execFile)(process.execPath, [program, 'restart'], { env });
    return;
  }
  for (const [name, pid] of Object.entries(product.processes())) {
    if (!isServing(name)) continue;
    const served = timesServing(product, name);
    process.kill(pid, 'SIGTERM');
    // Its siblings serve until then.
    if (!(await within(RENEWAL_TIMEOUT_MS, () => timesServing(product, name) > served)))
      throw new Error(`${name} did not come back`);
  }
}

/** How often a process of this name has begun to serve, by its own log. */
function timesServing(product: RunningProduct, name: string): number {
  const log = readFileSync(path.join(product.home, 'logs', `${name}.log`), 'utf8');
  return log.split('data plane listening').length - 1;
}
