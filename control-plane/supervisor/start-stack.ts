import path from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  type CommonFacts,
  controlPlaneEnvironment,
  dataPlaneEnvironment,
  type FakeStripeFacts,
  fakeStripeEnvironment,
  type StoreAddresses,
  sandboxEnvironment,
} from './child-environment.ts';
import type { ChildGroup } from './child-group.ts';
import { prepareEmbeddedPostgres } from './embedded-postgres.ts';
import { checkDatabase, checkRedis } from './external-stores.ts';
import { choosePort, describePortOwner, portProblem } from './network-ports.ts';
import type { Progress } from './progress.ts';
import { findRedisProgram, installRedis, type RedisProgram } from './redis-program.ts';
import { prepareRedis } from './redis-server.ts';
import { runProgram } from './run-program.ts';
import type { SupervisorSettings } from './settings.ts';
import { StartRefusal } from './start-refusal.ts';
import { keptSecret, rememberedNumber, writePrivately } from './state-folder.ts';
import type { ChildSpecification } from './supervised-process.ts';

const DEVELOPMENT_STORE_PATIENCE_MS = 3_000;
const PRODUCTION_STORE_PATIENCE_MS = 30_000;
const PREPARE_TIMEOUT_MS = 120_000;
const NODE_READY_TIMEOUT_MS = 60_000;
const PLANE_STOP_GRACE_MS = 17_000;
const SANDBOX_STOP_GRACE_MS = 3_000;
/** Beyond the time that the child itself takes to let its streams end. */
const DRAIN_MARGIN_MS = 7_000;

export interface StartReport {
  /** How long installing Redis took; 0 when it was there. */
  readonly redisInstallMs: number;
}

/** Everything a start needs to know about its surroundings. */
interface Surroundings {
  readonly settings: SupervisorSettings;
  readonly progress: Progress;
  readonly children: ChildGroup;
}

/**
 * Brings everything up as `children`, which keeps it up. Throws StartRefusal when the person can do something about it. To
 * end it, also half-way, call `children.stopAll()`.
 */
export async function startStack(
  settings: SupervisorSettings,
  progress: Progress,
  children: ChildGroup,
): Promise<StartReport> {
  await requireFreePorts(settings);
  return await startInOrder({ settings, progress, children });
}

async function startInOrder(around: Surroundings): Promise<StartReport> {
  const { settings, children } = around;
  const sandboxPort = settings.mode === 'development' ? await chooseSandboxPort(settings) : undefined;
  const secretKey = settings.secretKey ?? keptSecret(path.join(settings.home, 'secret.key'));
  const [databaseUrl, redis] = await Promise.all([startDatabase(around), startRedis(around)]);
  const fakeStripe = await placeFakeStripe(settings);
  const facts: CommonFacts = {
    stores: { databaseUrl, redisUrl: redis.url },
    secretKey,
    sandboxPort,
    fakeStripe,
  };
  const runsControlPlane = settings.roles.includes('control-plane') || settings.roles.includes('workers');
  const sandbox = sandboxPort === undefined ? [] : [children.start(sandboxChild(settings, facts), 'sandbox')];
  const stripe =
    fakeStripe === undefined ? [] : [children.start(fakeStripeChild(settings, facts), 'sandbox')];
  if (runsControlPlane) await runPreparation(around, facts);
  const finish = around.progress.step('Control plane, workers and data plane');
  const planes = planeChildren(settings, facts).map(({ child, rank }) => children.start(child, rank));
  await Promise.all([...sandbox, ...stripe, ...planes]);
  finish('serve');
  return { redisInstallMs: redis.installMs };
}

async function requireFreePorts(settings: SupervisorSettings): Promise<void> {
  const wanted = [
    ...(settings.roles.includes('data-plane') ? [['DATA_PLANE_PORT', settings.dataPlanePort] as const] : []),
    ...(settings.roles.includes('control-plane')
      ? [['CONTROL_PLANE_PORT', settings.controlPlanePort] as const]
      : []),
    ...(settings.sandboxPort === undefined ? [] : [['SANDBOX_PORT', settings.sandboxPort] as const]),
  ];
  const taken: string[] = [];
  for (const [name, port] of wanted) {
    const address = name === 'SANDBOX_PORT' ? '127.0.0.1' : settings.bindAddress;
    const problem = await portProblem(port, address);
    if (problem !== undefined) taken.push(explainPort(name, port, address, problem));
  }
  if (taken.length > 0) throw new StartRefusal(taken.join('\n'));
}

function explainPort(name: string, port: number, address: string, problem: string): string {
  if (problem === 'EADDRNOTAVAIL') return `BIND_ADDRESS is ${address}, which is no address of this machine.`;
  if (problem === 'EACCES')
    return `This user may not listen on port ${port}. Choose one above 1023, for example ${name}=8080.`;
  const owner = describePortOwner(port);
  return `Port ${port} is in use${owner === undefined ? '' : ` by ${owner}`}. Stop that, or choose another port, for example ${name}=${port + 1}.`;
}

/** Development shows top-ups without an account at Stripe; with a key of one, the real service is used. */
async function placeFakeStripe(settings: SupervisorSettings): Promise<FakeStripeFacts | undefined> {
  if (settings.mode !== 'development' || settings.environment.STRIPE_SECRET_KEY?.trim()) return undefined;
  const secret = keptSecret(path.join(settings.home, 'fake-stripe.key'));
  return {
    port: await choosePort(undefined),
    secretKey: `sk_test_${secret}`,
    webhookSecret: `whsec_${secret}`,
  };
}

/** The port is kept, so that the catalog's sandbox address stays the same from one start to the next. */
async function chooseSandboxPort(settings: SupervisorSettings): Promise<number> {
  if (settings.sandboxPort !== undefined) return settings.sandboxPort;
  const file = path.join(settings.home, 'sandbox.port');
  const port = await choosePort(rememberedNumber(file));
  writePrivately(file, `${port}\n`);
  return port;
}

function storePatienceMs(settings: SupervisorSettings): number {
  return settings.mode === 'production' ? PRODUCTION_STORE_PATIENCE_MS : DEVELOPMENT_STORE_PATIENCE_MS;
}

async function startDatabase(around: Surroundings): Promise<StoreAddresses['databaseUrl']> {
  const { settings, progress, children } = around;
  if (settings.mode === 'production' && !settings.roles.some((role) => role !== 'data-plane'))
    return undefined;
  if (settings.databaseUrl !== undefined) {
    await checkDatabase(settings.databaseUrl, storePatienceMs(settings));
    return settings.databaseUrl;
  }
  const finish = progress.step('Postgres');
  const postgres = await prepareEmbeddedPostgres({
    repositoryRoot: settings.repositoryRoot,
    folder: settings.home,
    logFile: path.join(settings.home, 'logs', 'postgres.log'),
    durable: true,
  });
  await children.start(postgres.child, 'postgres');
  finish(postgres.isNew ? 'created and ready' : 'ready');
  return postgres.url;
}

async function startRedis(around: Surroundings): Promise<{ url: string; installMs: number }> {
  const { settings, progress, children } = around;
  if (settings.redisUrl !== undefined) {
    const reached = await checkRedis(settings.redisUrl, storePatienceMs(settings));
    const host = new URL(settings.redisUrl).host;
    if (!reached && settings.roles.some((role) => role !== 'data-plane'))
      throw new StartRefusal(
        `REDIS_URL (${host}) cannot be reached. Check that the server runs and the password in the URL.`,
      );
    if (!reached)
      progress.note(`Redis (${host}) cannot be reached; starting from the last good copy on disk.`);
    return { url: settings.redisUrl, installMs: 0 };
  }
  const { program, installMs } = await redisProgram(around);
  const finish = progress.step('Redis');
  const redis = await prepareRedis({
    program,
    folder: settings.home,
    logFile: path.join(settings.home, 'logs', 'redis.log'),
    durable: true,
    databases: 16,
  });
  await children.start(redis.child, 'redis');
  finish('ready');
  return { url: `${redis.url}/0`, installMs };
}

async function redisProgram({
  settings,
  progress,
}: Surroundings): Promise<{ program: RedisProgram; installMs: number }> {
  const found = findRedisProgram(settings.environment);
  if (found !== undefined) return { program: found, installMs: 0 };
  const startedMs = performance.now();
  const finish = progress.step('Redis is missing; installing it with the package manager:');
  const program = await installRedis(settings.environment);
  finish('done');
  return { program, installMs: performance.now() - startedMs };
}

async function runPreparation({ settings, progress }: Surroundings, facts: CommonFacts): Promise<void> {
  const finish = progress.step('Database schema, catalog and demo account');
  const result = await runProgram(process.execPath, nodeArguments(settings, 'control-plane/prepare.ts'), {
    workingDirectory: settings.repositoryRoot,
    environment: controlPlaneEnvironment(settings, facts, 'api'),
    timeoutMs: PREPARE_TIMEOUT_MS,
  });
  if (result.code !== 0) {
    throw new StartRefusal(`The database could not be prepared:\n${result.outputTail.trim()}`);
  }
  finish(settings.mode === 'development' ? 'ready' : 'ready (no demo in production)');
}

const DATA_PLANE_FILE = 'data-plane/main.ts';
/**
 * A young generation of a few megabytes, and an old one that is collected when it has grown by a third instead of to twice
 * its size: what lies uncollected is resident all the same (data-plane/docs/data-path-costs.md, "Open streams").
 */
const DATA_PLANE_MEMORY_FLAGS = ['--max-semi-space-size=4', '--heap-growing-percent=30'];

function nodeArguments(settings: SupervisorSettings, file: string): string[] {
  const program = path.join(settings.repositoryRoot, file);
  if (file === DATA_PLANE_FILE) return [...DATA_PLANE_MEMORY_FLAGS, program];
  if (!file.startsWith('control-plane/')) return [program];
  const preload = path.join(settings.repositoryRoot, 'control-plane', 'supervisor', 'faster-imports.ts');
  // Following a request through every promise costs a sixth of the CPU of a GraphQL request in Node 22's old way.
  return ['--experimental-async-context-frame', '--import', pathToFileURL(preload).href, program];
}

interface RankedChild {
  readonly child: ChildSpecification;
  readonly rank: 'data-plane' | 'control-plane';
}

function nodeChild(
  settings: SupervisorSettings,
  child: {
    name: string;
    file: string;
    environment: NodeJS.ProcessEnv;
    stopGraceMs: number;
    stopSignal?: NodeJS.Signals;
  },
): ChildSpecification {
  return {
    name: child.name,
    program: process.execPath,
    arguments: nodeArguments(settings, child.file),
    environment: child.environment,
    workingDirectory: settings.repositoryRoot,
    logFile:
      settings.mode === 'development' ? path.join(settings.home, 'logs', `${child.name}.log`) : undefined,
    readyTimeoutMs: NODE_READY_TIMEOUT_MS,
    stopSignal: child.stopSignal ?? 'SIGTERM',
    stopGraceMs: child.stopGraceMs,
  };
}

function sandboxChild(settings: SupervisorSettings, facts: CommonFacts): ChildSpecification {
  return nodeChild(settings, {
    name: 'sandbox',
    file: 'data-plane/sandbox/main.ts',
    environment: sandboxEnvironment(settings, facts),
    stopGraceMs: SANDBOX_STOP_GRACE_MS,
  });
}

function fakeStripeChild(settings: SupervisorSettings, facts: CommonFacts): ChildSpecification {
  return nodeChild(settings, {
    name: 'fake-stripe',
    file: 'control-plane/development/fake-stripe/main.ts',
    environment: fakeStripeEnvironment(settings, facts),
    stopGraceMs: SANDBOX_STOP_GRACE_MS,
  });
}

function planeChildren(settings: SupervisorSettings, facts: CommonFacts): RankedChild[] {
  const children: RankedChild[] = [];
  const controlPlane = (name: string, role: 'api' | 'workers'): ChildSpecification =>
    nodeChild(settings, {
      name,
      file: 'control-plane/main.ts',
      environment: controlPlaneEnvironment(settings, facts, role),
      stopGraceMs: PLANE_STOP_GRACE_MS,
    });
  if (settings.roles.includes('workers'))
    children.push({ child: controlPlane('workers', 'workers'), rank: 'control-plane' });
  if (settings.roles.includes('control-plane'))
    children.push({ child: controlPlane('control-plane', 'api'), rank: 'control-plane' });
  for (let slot = 0; settings.roles.includes('data-plane') && slot < settings.dataPlaneProcesses; slot += 1) {
    children.push({
      rank: 'data-plane',
      child: nodeChild(settings, {
        name: `data-plane-${slot}`,
        file: DATA_PLANE_FILE,
        environment: dataPlaneEnvironment(settings, facts, slot),
        stopGraceMs: settings.drainTimeoutMs + DRAIN_MARGIN_MS,
        // Who presses Ctrl-C does not wait for clients that may be about to say something.
        stopSignal: settings.mode === 'development' ? 'SIGINT' : 'SIGTERM',
      }),
    });
  }
  return children;
}
