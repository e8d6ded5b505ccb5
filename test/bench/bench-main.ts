import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type LoadResult, runLoad } from './load.ts';
import { cpuMicros, residentMib } from './process-figures.ts';
import {
  type BenchTarget,
  checkOut,
  isInstalled,
  startHaproxy,
  startNginx,
  startProduct,
  startProvider,
} from './targets.ts';

/**
 * `npm run bench`: what a request and a streamed chunk cost here, beside nginx and HAProxy where they are installed and beside
 * another commit (`--against HEAD~1`). Loopback only, Linux only. CPU per unit is what to compare: time depends on what
 * else the machine does.
 */
const ROOT = path.join(import.meta.dirname, '../..');
const FIRST_PORT = 26_400;
const CHUNKS = 64;
const DELAY_MS = 5;
const WARM_UP_MS = 1_500;

interface Scenario {
  readonly name: string;
  readonly connections: number;
  readonly stream: boolean;
}

interface Figures {
  readonly cpuPerRequest: number;
  readonly cpuPerEvent: number;
  readonly firstByteP50: number;
  readonly residentMib: number;
  readonly failures: number;
}

const SCENARIOS: readonly Scenario[] = [
  { name: 'json, 64 connections', connections: 64, stream: false },
  { name: `streams of ${CHUNKS} chunks ${DELAY_MS} ms apart, 100 at once`, connections: 100, stream: true },
];

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    against: { type: 'string' },
    json: { type: 'string' },
  },
});

const folder = mkdtempSync(path.join(tmpdir(), 'crossmodel-bench-'));
const cleanUps: (() => void | Promise<void>)[] = [() => rmSync(folder, { recursive: true, force: true })];
try {
  const targets = await startTargets();
  const results = await measure(targets);
  report(targets, results);
  if (options.json !== undefined)
    writeFileSync(options.json, JSON.stringify(Object.fromEntries(results), null, 1));
} finally {
  for (const cleanUp of cleanUps.reverse()) await cleanUp();
}

async function startTargets(): Promise<BenchTarget[]> {
  const providerPort = FIRST_PORT;
  cleanUps.push(await startProvider(providerPort, CHUNKS, DELAY_MS));
  const targets: BenchTarget[] = [];
  const add = (target: BenchTarget): void => {
    targets.push(target);
    cleanUps.push(() => target.stop());
  };
  if (isInstalled('nginx')) add(await startNginx(FIRST_PORT + 1, providerPort, folder));
  if (isInstalled('haproxy')) add(await startHaproxy(FIRST_PORT + 2, providerPort, folder));
  const product = { providerPort, folder, tree: ROOT };
  add(await startProduct({ ...product, name: 'ours', port: FIRST_PORT + 10, environment: {} }));
  const undici = { UPSTREAM_CLIENT: 'undici' };
  add(await startProduct({ ...product, name: 'ours, undici', port: FIRST_PORT + 20, environment: undici }));
  if (options.against !== undefined) {
    const other = checkOut(ROOT, options.against, folder);
    cleanUps.push(() => other.remove());
    const port = FIRST_PORT + 30;
    add(await startProduct({ ...product, tree: other.tree, name: options.against, port, environment: {} }));
  }
  return targets;
}

async function measure(targets: readonly BenchTarget[]): Promise<Map<string, Figures[]>> {
  const results = new Map<string, Figures[]>();
  for (let round = 0; round < Number(options.rounds); round += 1)
    for (const scenario of SCENARIOS)
      for (const target of round % 2 === 0 ? targets : [...targets].reverse()) {
        const { connections, stream } = scenario;
        await runLoad(target, { connections, stream, durationMs: WARM_UP_MS });
        const before = cpuMicros(target.pids);
        const durationMs = Number(options.seconds) * 1_000;
        const load = await runLoad(target, { connections, stream, durationMs });
        const figures = figuresOf(load, cpuMicros(target.pids) - before, residentMib(target.pids));
        const key = `${scenario.name} | ${target.name}`;
        results.set(key, [...(results.get(key) ?? []), figures]);
      }
  return results;
}

function figuresOf(load: LoadResult, cpu: number, resident: number): Figures {
  return {
    cpuPerRequest: cpu / load.answers,
    cpuPerEvent: cpu / load.events,
    firstByteP50: load.firstByteMs[load.firstByteMs.length >> 1] ?? Number.NaN,
    residentMib: resident,
    failures: load.failures,
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

function report(targets: readonly BenchTarget[], results: ReadonlyMap<string, readonly Figures[]>): void {
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  for (const { name, stream } of SCENARIOS) {
    const unit = stream ? 'chunk' : 'request';
    print(`\n### ${name}\n`);
    print(
      `| target | CPU per ${unit}, µs (spread) | first of the list ÷ this | first byte p50, ms | RSS, MiB | failures |`,
    );
    print('|---|---|---|---|---|---|');
    const costs = (target: BenchTarget): number[] =>
      (results.get(`${name} | ${target.name}`) ?? []).map((figures) =>
        stream ? figures.cpuPerEvent : figures.cpuPerRequest,
      );
    const [first] = targets;
    for (const target of targets) {
      const all = results.get(`${name} | ${target.name}`) ?? [];
      const cost = median(costs(target));
      const spread = `${Math.min(...costs(target)).toFixed(1)}–${Math.max(...costs(target)).toFixed(1)}`;
      const ratio = first === undefined ? Number.NaN : median(costs(first)) / cost;
      const firstByte = median(all.map(({ firstByteP50 }) => firstByteP50)).toFixed(1);
      const resident = median(all.map((figures) => figures.residentMib)).toFixed(0);
      const failures = all.reduce((sum, figures) => sum + figures.failures, 0);
      print(
        `| ${target.name} | ${cost.toFixed(1)} (${spread}) | ${ratio.toFixed(2)} | ${firstByte} | ${resident} | ${failures} |`,
      );
    }
  }
}
