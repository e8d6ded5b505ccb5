import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '#shared/clock.ts';
import { type RunningProduct, within } from '#test/acceptance/running-product.ts';
import {
  COMPONENTS,
  type Component,
  componentOf,
  isAlive,
  isSuccessorRunning,
  serves,
  withDescendants,
} from './chaos-components.ts';
import type { SeededRandom } from './seeded-random.ts';

const RECOVERY_TIMEOUT_MS = 60_000;
const SHORTEST_PAUSE_MS = 300;
const SHORTEST_FREEZE_MS = 100;

type Manner = 'kill' | 'freeze';

/** One that counts: a living process was killed and its successor serves, or it was stopped, continued and serves. */
export interface Disturbance {
  readonly manner: Manner;
  readonly component: Component;
  readonly processName: string;
  readonly pid: number;
  /** Since the beginning, ms. */
  readonly atMs: number;
  /** How long it was stopped, ms; 0 for a kill. */
  readonly frozenMs: number;
  /** From the kill or the end of the freeze until it served, ms. */
  readonly recoveredAfterMs: number;
}

/** One line for people. */
export function describeDisturbance(done: Disturbance): string {
  const { manner, atMs, processName, pid, frozenMs, recoveredAfterMs } = done;
  const what = manner === 'kill' ? 'killed' : `stopped for ${frozenMs} ms`;
  return `${(atMs / 1000).toFixed(1)} s: ${processName} (${pid}) ${what}, serves ${Math.round(recoveredAfterMs)} ms later`;
}

export interface DisturbancePlan {
  readonly killsPerComponent: number;
  readonly freezesPerComponent: number;
  readonly longestFreezeMs: number;
  /** Between two disturbances, at most. */
  readonly longestPauseMs: number;
}

/**
 * Kills and freezes each component so many times, in random order at random moments, also while another one is still
 * recovering; only a component that is itself still down is waited for. Rejects when one does not come back.
 */
export async function disturbAtRandom(
  product: RunningProduct,
  plan: DisturbancePlan,
  random: SeededRandom,
  onDone: (disturbance: Disturbance) => void,
): Promise<Disturbance[]> {
  const many = (manner: Manner, count: number) =>
    COMPONENTS.flatMap((component) => Array.from({ length: count }, () => ({ manner, component })));
  const steps = random.shuffle([
    ...many('kill', plan.killsPerComponent),
    ...many('freeze', plan.freezesPerComponent),
  ]);
  const recovering = new Map<Component, Promise<void>>();
  const startedAtMs = systemClock.monotonicMs();
  const all: Disturbance[] = [];
  for (const { manner, component } of steps) {
    await delay(random.between(SHORTEST_PAUSE_MS, plan.longestPauseMs));
    await recovering.get(component);
    const atMs = systemClock.monotonicMs() - startedAtMs;
    const frozenMs = manner === 'kill' ? 0 : random.between(SHORTEST_FREEZE_MS, plan.longestFreezeMs);
    const disturbing =
      manner === 'kill'
        ? killOne(product, component, random)
        : freezeOne(product, component, random, frozenMs);
    const recovered = disturbing.then((done) => {
      const disturbance = { ...done, manner, component, atMs, frozenMs };
      all.push(disturbance);
      onDone(disturbance);
    });
    // Awaited below; without this a failure in the meantime would count as unhandled.
    recovered.catch(() => undefined);
    recovering.set(component, recovered);
  }
  await Promise.all(recovering.values());
  return all;
}

type Recovered = Pick<Disturbance, 'processName' | 'pid' | 'recoveredAfterMs'>;

async function killOne(
  product: RunningProduct,
  component: Component,
  random: SeededRandom,
): Promise<Recovered> {
  const { processName, pid } = await chooseVictim(product, component, random);
  process.kill(pid, 'SIGKILL');
  const recoveredAfterMs = await untilBack(
    processName,
    async () => isSuccessorRunning(product, processName, pid) && (await serves(product, component)),
  );
  return { processName, pid, recoveredAfterMs };
}

async function freezeOne(
  product: RunningProduct,
  component: Component,
  random: SeededRandom,
  frozenMs: number,
): Promise<Recovered> {
  const { processName, pid } = await chooseVictim(product, component, random);
  const stopped = withDescendants(pid);
  for (const each of stopped) signalIfAlive(each, 'SIGSTOP');
  await delay(frozenMs);
  for (const each of stopped) signalIfAlive(each, 'SIGCONT');
  const recoveredAfterMs = await untilBack(processName, () => serves(product, component));
  return { processName, pid, recoveredAfterMs };
}

async function untilBack(processName: string, isBack: () => Promise<boolean>): Promise<number> {
  const fromMs = systemClock.monotonicMs();
  if (!(await within(RECOVERY_TIMEOUT_MS, isBack)))
    throw new Error(`${processName} did not come back within ${RECOVERY_TIMEOUT_MS} ms`);
  return systemClock.monotonicMs() - fromMs;
}

/** A session of Postgres may end while the others are being stopped. */
function signalIfAlive(pid: number, signal: NodeJS.Signals): void {
  if (isAlive(pid)) process.kill(pid, signal);
}

/** A running process of the component; waits for one, because it may just be restarting for reasons of its own. */
async function chooseVictim(
  product: RunningProduct,
  component: Component,
  random: SeededRandom,
): Promise<{ processName: string; pid: number }> {
  let victims: [string, number][] = [];
  await within(RECOVERY_TIMEOUT_MS, () => {
    victims = Object.entries(product.processes() ?? {}).filter(
      ([name, pid]) => componentOf(name) === component && isAlive(pid),
    );
    return victims.length > 0;
  });
  const victim = victims[random.between(0, victims.length)];
  if (!victim) throw new Error(`No process of ${component} runs for ${RECOVERY_TIMEOUT_MS} ms`);
  return { processName: victim[0], pid: victim[1] };
}
