import { setTimeout as delay } from 'node:timers/promises';
import { redisKeys } from '#shared/redis-keys.ts';
import { type SeededRandom, seededRandom } from '#test/reliability/seeded-random.ts';
import { brokenBookRules, brokenRestRules, brokenUsageRules, undeclaredSpools } from './invariants.ts';
import { changePrice, takeBack, topUp } from './simulated-customer.ts';
import { SimulatedWorld, type WorldOptions } from './simulated-world.ts';

/** What may happen between two requests, with its share among a thousand steps. */
export interface Disturbances {
  readonly killProcess: number;
  readonly killWorker: number;
  readonly freezeProcess: number;
  readonly freezeRedis: number;
  readonly wipeRedis: number;
  readonly restartRedis: number;
  readonly loseBatch: number;
  readonly repeatBatch: number;
  readonly topUp: number;
  readonly takeBack: number;
  readonly changePrice: number;
  readonly stepClock: number;
  readonly recordTwice: number;
}

export const EVERYTHING: Disturbances = {
  killProcess: 4,
  killWorker: 4,
  freezeProcess: 4,
  freezeRedis: 4,
  wipeRedis: 2,
  restartRedis: 2,
  loseBatch: 15,
  repeatBatch: 15,
  topUp: 20,
  takeBack: 6,
  changePrice: 6,
  stepClock: 6,
  recordTwice: 20,
};

export const NOTHING: Disturbances = {
  killProcess: 0,
  killWorker: 0,
  freezeProcess: 0,
  freezeRedis: 0,
  wipeRedis: 0,
  restartRedis: 0,
  loseBatch: 0,
  repeatBatch: 0,
  topUp: 0,
  takeBack: 0,
  changePrice: 0,
  stepClock: 0,
  recordTwice: 0,
};

export interface SimulationPlan extends WorldOptions {
  readonly seed: number;
  readonly steps: number;
  readonly disturbances: Disturbances;
  /** How long things may take to come to rest, ms. */
  readonly quietTimeoutMs?: number;
}

export interface SimulationResult {
  readonly broken: readonly string[];
  readonly completed: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly trace: readonly string[];
}

const PAUSE_MS = 8;
const LONGEST_FREEZE_MS = 600;
const LONGEST_CLOCK_STEP_MS = 120_000;
const CHECK_EVERY_STEPS = 250;
const QUIET_TIMEOUT_MS = 40_000;
const POLL_MS = 200;

/**
 * Runs one seeded interleaving against the shipped quotas, scripts, spool, ingest and database, then lets everything come to
 * rest and checks the invariants. The seed decides what happens; the processes are real, so their timing is their own.
 */
export async function runSimulation(plan: SimulationPlan): Promise<SimulationResult> {
  const world = await SimulatedWorld.open(plan);
  try {
    await untilOpen(world);
    const random = seededRandom(plan.seed);
    const broken: string[] = [];
    for (let step = 0; step < plan.steps && broken.length === 0; step += 1) {
      await disturb(world, random, plan.disturbances);
      world.send(random, random.next() * 1_000 < plan.disturbances.recordTwice);
      if (random.next() < 0.5) await delay(random.between(0, PAUSE_MS));
      if (step % CHECK_EVERY_STEPS === CHECK_EVERY_STEPS - 1) broken.push(...(await brokenBookRules(world)));
    }
    if (broken.length === 0) broken.push(...(await comeToRest(world, plan)));
    return { broken, ...summaryOf(world) };
  } finally {
    await world.close();
  }
}

function summaryOf({ requests, trace }: SimulatedWorld): Omit<SimulationResult, 'broken'> {
  const refused: Record<string, number> = {};
  for (const { reason } of requests) if (reason !== undefined) refused[reason] = (refused[reason] ?? 0) + 1;
  return { completed: requests.filter(({ state }) => state === 'completed').length, refused, trace };
}

async function untilOpen({ redis }: SimulatedWorld): Promise<void> {
  while ((await redis.client.get(redisKeys.quotaOpen).catch(() => null)) === null) await delay(POLL_MS);
  await delay(POLL_MS);
}

async function disturb(world: SimulatedWorld, random: SeededRandom, shares: Disturbances): Promise<void> {
  let lot = random.next() * 1_000;
  for (const [name, share] of Object.entries(shares) as [keyof Disturbances, number][]) {
    lot -= share;
    if (lot >= 0 || name === 'recordTwice') continue;
    world.tell(name);
    await DISTURBANCES[name](world, random);
    return;
  }
}

type Disturb = (world: SimulatedWorld, random: SeededRandom) => Promise<void> | void;

function any<Item>(items: readonly Item[], random: SeededRandom): Item {
  const item = items[random.between(0, items.length)];
  if (item === undefined) throw new Error('Nothing to choose from');
  return item;
}

const DISTURBANCES: Readonly<Record<Exclude<keyof Disturbances, 'recordTwice'>, Disturb>> = {
  killProcess: async ({ processes }, random) => {
    const process = any(processes, random);
    await process.kill();
    await process.start();
  },
  killWorker: async ({ worker }, random) => {
    await worker.kill();
    await delay(random.between(0, 300));
    worker.start();
  },
  freezeProcess: async ({ processes }, random) => {
    const process = any(processes, random);
    process.freeze();
    await delay(random.between(0, LONGEST_FREEZE_MS));
    process.thaw();
  },
  freezeRedis: ({ redis }, random) => redis.freeze(random.between(20, LONGEST_FREEZE_MS)),
  wipeRedis: async ({ redis }) => {
    await redis.client.flushall();
  },
  restartRedis: ({ redis }) => redis.restart(),
  loseBatch: async ({ redis }) => {
    const [oldest] = await redis.client.xrange(redisKeys.usageStream, '-', '+', 'COUNT', 1);
    if (oldest) await redis.client.xdel(redisKeys.usageStream, oldest[0]);
  },
  repeatBatch: async ({ redis }) => {
    const [oldest] = await redis.client.xrange(redisKeys.usageStream, '-', '+', 'COUNT', 1);
    if (oldest) await redis.client.xadd(redisKeys.usageStream, '*', ...oldest[1]);
  },
  topUp: ({ clients, customers }, random) =>
    topUp(clients, any(customers, random), BigInt(random.between(1_000_000, 400_000_000))),
  takeBack: async ({ clients, customers }, random) => {
    const customer = customers.find(({ mayOverdraw }) => mayOverdraw);
    if (customer) await takeBack(clients, customer, BigInt(random.between(1_000_000, 900_000_000)));
  },
  changePrice: ({ clients, customers }, random) =>
    changePrice(clients, any(customers, random), random.between(1_000, 900_000)),
  stepClock: ({ processes }, random) =>
    any(processes, random).send({
      kind: 'step_clock',
      byMs: random.between(-LONGEST_CLOCK_STEP_MS, LONGEST_CLOCK_STEP_MS),
    }),
};

/** Requests end, processes stop, a last one settles what is left; then everything must add up. */
async function comeToRest(world: SimulatedWorld, plan: SimulationPlan): Promise<string[]> {
  if (!world.worker.runs) world.worker.start();
  const until = (check: () => Promise<string[]>) =>
    untilNothing(check, plan.quietTimeoutMs ?? QUIET_TIMEOUT_MS);
  const early = await until(async () => [
    ...(await undeclaredSpools(world)),
    ...(world.requests.some(({ state }) => state === 'admitted') && !hasKills(plan)
      ? ['requests are open']
      : []),
  ]);
  if (early.length > 0) return early;
  await Promise.all(world.processes.map((process) => process.stop()));
  const last = world.process(plan.sourceRoot, 0, 1);
  world.processes.push(last);
  await last.start();
  const unsettled = await until(async () => [
    ...(await brokenUsageRules(world)),
    ...(await spoolsBut(world, last.spoolId)),
  ]);
  if (unsettled.length > 0) return unsettled;
  await last.stop();
  const closing = world.process(plan.sourceRoot, 0, 1);
  world.processes.push(closing);
  await closing.start();
  // The process that settles the others has a spool of its own.
  const rest = await until(() => brokenRestRules(world, closing.spoolId));
  return [...rest, ...(await brokenBookRules(world)), ...(await brokenUsageRules(world))];
}

function hasKills({ disturbances }: SimulationPlan): boolean {
  return disturbances.killProcess > 0;
}

async function spoolsBut({ clients }: SimulatedWorld, spoolId: string | undefined): Promise<string[]> {
  const open = await clients.sql<{ id: string }[]>`
    select id from usage_spools where closed_at is null and id <> ${spoolId ?? ''}`;
  return open.map(({ id }) => `spool ${id} is not closed`);
}

/** Asks until nothing is wrong, or returns what still is when the time is over. */
async function untilNothing(check: () => Promise<string[]>, timeoutMs: number): Promise<string[]> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const broken = await check().catch((error: unknown) => [String(error)]);
    if (broken.length === 0 || performance.now() > deadline) return broken;
    await delay(POLL_MS);
  }
}
