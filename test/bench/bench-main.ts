import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { asMarkdown, asSummary, type BenchResults, conditions } from './bench-report.ts';
import { pinTo } from './process-figures.ts';
import { type Figures, SCENARIOS, type Scenario } from './scenarios.ts';
import {
  type BenchTarget,
  checkOut,
  isInstalled,
  startHaproxy,
  startNginx,
  startProduct,
  startProvider,
} from './targets.ts';

const ROOT = path.join(import.meta.dirname, '../..');
const FIRST_PORT = 26_400;
const HELP = `What a request and a streamed chunk cost here, beside nginx and HAProxy where they are installed and beside another
commit. Loopback only, Linux only. CPU per unit is what to compare: time depends on what else the machine does. Prints
Markdown on standard output and progress on standard error.

  npm run bench -- [options]

  --only a,b       scenarios: ${SCENARIOS.map(({ name }) => name).join(', ')}
  --rounds N       alternated rounds, of which the median is shown (3)
  --seconds N      length of a measurement under load (4)
  --against REF    beside another commit, e.g. HEAD~1
  --targets a,b    of nginx, haproxy, ours, undici (all that are installed)
  --json FILE      all figures of all rounds
  --no-pin         do not give the measured process a core of its own
`;

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    against: { type: 'string' },
    targets: { type: 'string', default: 'nginx,haproxy,ours,undici' },
    json: { type: 'string' },
    pin: { type: 'boolean', default: true },
    help: { type: 'boolean', default: false },
  },
  allowNegative: true,
});
const say = (line: string): void => void process.stderr.write(`${line}\n`);

if (options.help) process.stdout.write(HELP);
else await bench(chosenScenarios());

function chosenScenarios(): readonly Scenario[] {
  const wanted = options.only?.split(',');
  const unknown = wanted?.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name)) ?? [];
  if (unknown.length > 0) throw new Error(`There is no scenario ${unknown.join(', ')}; see --help`);
  return SCENARIOS.filter(({ name }) => wanted === undefined || wanted.includes(name));
}

async function bench(scenarios: readonly Scenario[]): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'crossmodel-bench-'));
  const cleanUps: (() => void | Promise<void>)[] = [() => rmSync(folder, { recursive: true, force: true })];
  try {
    const targets = await startTargets(folder, cleanUps);
    const results = await measure(scenarios, targets);
    process.stdout.write(`${conditions(Number(options.rounds), durationMs())}\n\n`);
    process.stdout.write(`${asSummary(results, scenarios)}\n${asMarkdown(results, scenarios)}\n`);
    if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(results, null, 1));
  } finally {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
  }
}

function durationMs(): number {
  return Number(options.seconds) * 1_000;
}

async function startTargets(
  folder: string,
  cleanUps: (() => void | Promise<void>)[],
): Promise<BenchTarget[]> {
  const providerPort = FIRST_PORT;
  const provider = await startProvider(providerPort);
  cleanUps.push(() => provider.stop());
  const targets: BenchTarget[] = [];
  const wanted = options.targets.split(',');
  const add = (target: BenchTarget): void => {
    targets.push(target);
    cleanUps.push(() => target.stop());
    // This process and the provider share the other core.
    if (options.pin) pinTo(0, target.pids);
    say(`${target.name} is up`);
  };
  for (const [name, start, port] of [
    ['nginx', startNginx, FIRST_PORT + 1],
    ['haproxy', startHaproxy, FIRST_PORT + 2],
  ] as const) {
    if (!wanted.includes(name)) continue;
    if (isInstalled(name)) add(await start(port, providerPort, folder));
    else say(`${name} is not installed; going on without`);
  }
  const product = { providerPort, folder, tree: ROOT };
  if (wanted.includes('ours'))
    add(await startProduct({ ...product, name: 'ours', port: FIRST_PORT + 10, environment: {} }));
  if (wanted.includes('undici')) {
    const environment = { UPSTREAM_CLIENT: 'undici' };
    add(await startProduct({ ...product, name: 'ours, undici', port: FIRST_PORT + 20, environment }));
  }
  if (options.against !== undefined) {
    const other = checkOut(ROOT, options.against, folder);
    cleanUps.push(() => other.remove());
    const port = FIRST_PORT + 30;
    add(await startProduct({ ...product, tree: other.tree, name: options.against, port, environment: {} }));
  }
  if (options.pin) pinTo(1, [process.pid, provider.pid]);
  return targets;
}

async function measure(
  scenarios: readonly Scenario[],
  targets: readonly BenchTarget[],
): Promise<BenchResults> {
  const results: Record<string, Record<string, Figures[]>> = {};
  const settings = { providerPort: FIRST_PORT, durationMs: durationMs() };
  for (let round = 0; round < Number(options.rounds); round += 1)
    for (const scenario of scenarios) {
      if (round >= scenario.mostRounds) continue;
      const ofScenario = results[scenario.name] ?? Object.fromEntries(targets.map(({ name }) => [name, []]));
      results[scenario.name] = ofScenario;
      for (const target of round % 2 === 0 ? targets : targets.toReversed()) {
        if (!scenario.isForAll && !target.isProduct) {
          delete ofScenario[target.name];
          continue;
        }
        const figures = await scenario.run(target, settings);
        ofScenario[target.name]?.push(figures);
        const shown = Object.entries(figures).map(([name, value]) => `${name} ${value.toFixed(2)}`);
        say(`round ${round + 1}, ${scenario.name}, ${target.name}: ${shown.join('; ')}`);
      }
    }
  return results;
}
