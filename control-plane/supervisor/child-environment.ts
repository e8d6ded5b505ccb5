import { VENDORS } from '#control-plane/catalog/vendors.ts';
import type { SupervisorSettings } from './settings.ts';

export interface StoreAddresses {
  readonly databaseUrl: string | undefined;
  readonly redisUrl: string;
}

/** What every child of ours is given, whatever its part. */
export interface CommonFacts {
  readonly stores: StoreAddresses;
  readonly secretKey: string;
  readonly sandboxPort: number | undefined;
  /** Development without a Stripe key of its own: where the stand-in is and what both sides sign with. */
  readonly fakeStripe: FakeStripeFacts | undefined;
}

export interface FakeStripeFacts {
  readonly port: number;
  readonly secretKey: string;
  readonly webhookSecret: string;
}

const CONTROL_PLANE_ONLY = ['DATABASE_URL', 'CROSSMODEL_OPERATOR_TOKEN', 'SMTP_URL'];
const VENDOR_VARIABLES = VENDORS.flatMap(({ environmentPrefix }) => [
  `${environmentPrefix}_API_KEY`,
  `${environmentPrefix}_BASE_URL`,
]);

/** Flags for another Node, variables of ours that belong to one process only, and empty ones never travel on. */
function inherited(environment: Readonly<NodeJS.ProcessEnv>): NodeJS.ProcessEnv {
  const kept = { ...environment };
  for (const name of Object.keys(kept)) {
    if (/^(NODE_OPTIONS|CROSSMODEL_LIFELINE_FD|CROSSMODEL_STARTED_AT_MS|CROSSMODEL_INSTALL_MS)$/.test(name))
      delete kept[name];
    if (/^npm_/i.test(name) || kept[name]?.trim() === '') delete kept[name];
  }
  return kept;
}

/** The environment of the control plane, the workers and the one-shot preparation. */
export function controlPlaneEnvironment(
  settings: SupervisorSettings,
  facts: CommonFacts,
  role: 'api' | 'workers',
): NodeJS.ProcessEnv {
  return {
    ...inherited(settings.environment),
    ...commonEnvironment(settings, facts),
    ...(facts.stores.databaseUrl === undefined ? {} : { DATABASE_URL: facts.stores.databaseUrl }),
    ...fakeStripeVariables(facts.fakeStripe),
    CONTROL_PLANE_ROLE: role,
  };
}

/** The environment of the stand-in for Stripe. */
export function fakeStripeEnvironment(settings: SupervisorSettings, facts: CommonFacts): NodeJS.ProcessEnv {
  return { ...sandboxEnvironment(settings, facts), ...fakeStripeVariables(facts.fakeStripe) };
}

function fakeStripeVariables(fake: FakeStripeFacts | undefined): NodeJS.ProcessEnv {
  if (fake === undefined) return {};
  return {
    STRIPE_API_BASE: `http://127.0.0.1:${fake.port}`,
    STRIPE_SECRET_KEY: fake.secretKey,
    STRIPE_WEBHOOK_SECRET: fake.webhookSecret,
  };
}

const MAX_HEADER_BYTES = 16 * 1024;

/** The data plane faces the internet: it is given neither the database nor any credential it could leak. */
export function dataPlaneEnvironment(
  settings: SupervisorSettings,
  facts: CommonFacts,
  slot: number,
): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = {
    ...inherited(settings.environment),
    ...commonEnvironment(settings, facts),
    DATA_PLANE_SLOT: String(slot),
    // uWebSockets.js reads it from the environment; its own limit of 4 KB is below what proxies and cookies come to.
    UWS_HTTP_MAX_HEADERS_SIZE: String(MAX_HEADER_BYTES),
    // Otherwise glibc gives each of V8's compiler threads a heap of its own, and keeps what they have freed.
    MALLOC_ARENA_MAX: settings.environment.MALLOC_ARENA_MAX || '2',
  };
  for (const name of [...CONTROL_PLANE_ONLY, ...VENDOR_VARIABLES]) delete environment[name];
  for (const name of Object.keys(environment)) {
    const mayHoldSecret = /^PG[A-Z]|SECRET|TOKEN$|PASSWORD|CREDENTIAL|API_?KEY|PRIVATE_?KEY/i.test(name);
    if (mayHoldSecret && name !== 'CROSSMODEL_SECRET_KEY') delete environment[name];
  }
  return environment;
}

export function sandboxEnvironment(settings: SupervisorSettings, facts: CommonFacts): NodeJS.ProcessEnv {
  const environment = dataPlaneEnvironment(settings, facts, 0);
  for (const name of ['DATA_PLANE_SLOT', 'REDIS_URL', 'CROSSMODEL_SECRET_KEY']) delete environment[name];
  return { ...environment, SANDBOX_PORT: String(facts.sandboxPort) };
}

function commonEnvironment(settings: SupervisorSettings, facts: CommonFacts): NodeJS.ProcessEnv {
  return {
    CROSSMODEL_MODE: settings.mode,
    CROSSMODEL_HOME: settings.home,
    REDIS_URL: facts.stores.redisUrl,
    CROSSMODEL_SECRET_KEY: facts.secretKey,
    DATA_PLANE_PORT: String(settings.dataPlanePort),
    CONTROL_PLANE_PORT: String(settings.controlPlanePort),
    DATA_PLANE_PROCESSES: String(settings.dataPlaneProcesses),
    BIND_ADDRESS: settings.bindAddress,
    LOG_LEVEL: settings.logLevel,
    DRAIN_TIMEOUT_MS: String(settings.drainTimeoutMs),
    NODE_COMPILE_CACHE: `${settings.home}/compile-cache`,
    ...(facts.sandboxPort === undefined
      ? {}
      : { SANDBOX_BASE_URL: `http://127.0.0.1:${facts.sandboxPort}/v1` }),
  };
}
