import { pino } from 'pino';
import type { Gateway } from '#data-plane/gateway.ts';
import { MediaGuard } from '#data-plane/media/media-guard.ts';
import { type RunningServer, startServer } from '#data-plane/server.ts';
import type { CompiledUpstream } from '#data-plane/snapshot/compiled-snapshot.ts';
import { NO_COUNTER } from '#data-plane/token-count/token-counter.ts';
import { createHttp1Client } from '#data-plane/upstream/http1-client.ts';
import { SilenceWatch } from '#data-plane/upstream/silence-watch.ts';
import { RequestCounts } from '#data-plane/usage/request-counts.ts';
import { AddressRanges } from '#shared/address-range.ts';
import { mintApiKey } from '#shared/api-key.ts';
import { systemClock } from '#shared/clock.ts';
import { GuardedFetcher, type GuardedFetchOptions } from '#shared/guarded-fetch.ts';
import { createIdMinter } from '#shared/identifiers.ts';
import { parseSealingKey } from '#shared/sealed-secret.ts';
import type { SnapshotModel } from '#shared/snapshot.ts';
import type { UsageTotals } from '#shared/usage-totals.ts';
import { TestQuotas, TestSnapshot, TestSpool } from './fake-seams.ts';
import { ScriptedProvider } from './scripted-provider.ts';

const WATCH_INTERVAL_MS = 10;
const MAX_BODY_BYTES = 32 * 1024 * 1024;
/** Tests ask no name server. */
const NO_NAMES: GuardedFetchOptions = { resolveName: async () => [] };
export const MODEL_ID = 'deepseek/deepseek-v4-pro';
export const PROVIDER_MODEL = 'ds-v4-pro-internal';
export const PROVIDER_CREDENTIAL = 'provider-credential-canary';

/** A gateway on a real socket, one scripted provider behind it, and seams that tests can read. */
export interface GatewayUnderTest {
  readonly url: string;
  readonly secret: string;
  readonly snapshot: TestSnapshot;
  readonly quotas: TestQuotas;
  readonly spool: TestSpool;
  readonly provider: ScriptedProvider;
  readonly gateway: Gateway;
  readonly server: RunningServer;
  readonly logLines: string[];
  stop(): Promise<void>;
}

export async function startGateway(
  overrides: Partial<Gateway> = {},
  fetching: GuardedFetchOptions = NO_NAMES,
): Promise<GatewayUnderTest> {
  const provider = await ScriptedProvider.start();
  const snapshot = new TestSnapshot();
  const quotas = new TestQuotas();
  const spool = new TestSpool();
  const { secret } = mintApiKey();
  snapshot.addKey(secret);
  snapshot.addModel(testModel(), [
    { upstream: testUpstream(provider.origin), providerModel: PROVIDER_MODEL },
  ]);
  const logLines: string[] = [];
  const watch = new SilenceWatch(WATCH_INTERVAL_MS);
  const upstreams = createHttp1Client({ connectTimeoutMs: 1_000, idleConnectionMs: 30_000 });
  const sealingKey = parseSealingKey('5'.repeat(64));
  if (sealingKey === undefined) throw new Error('The test key is malformed');
  const gateway: Gateway = {
    snapshots: { current: () => snapshot, ageMs: () => 0 },
    quotas,
    spool,
    totals: { readTotals: async () => TOTALS },
    upstreams,
    media: new MediaGuard({ fetcher: new GuardedFetcher(fetching), maxRequestBytes: MAX_BODY_BYTES }),
    tokenCounter: NO_COUNTER,
    watch,
    clock: systemClock,
    counts: new RequestCounts(),
    mintRequestId: createIdMinter(systemClock),
    sealingKey,
    log: pino({ level: 'info' }, { write: (line: string) => logLines.push(line) }),
    trustedProxies: new AddressRanges([]),
    bodyLimits: { maxBodyBytes: MAX_BODY_BYTES, uploadTimeoutMs: 5_000 },
    silenceLimits: { firstByteTimeoutMs: 5_000, idleTimeoutMs: 5_000, keepAliveAfterMs: 10_000 },
    snapshotMaxAgeMs: 86_400_000,
    random: Math.random,
    linkStates: () => ({ redis: 'up' }),
    ...overrides,
  };
  const server = await startServer(gateway, '127.0.0.1', 0);
  return {
    url: `http://127.0.0.1:${server.port}`,
    secret,
    snapshot,
    quotas,
    spool,
    provider,
    gateway,
    server,
    logLines,
    async stop() {
      server.close();
      watch.stop();
      await upstreams.close();
      await provider.stop();
    },
  };
}

const TOTALS: UsageTotals = {
  daily: {
    from: '2026-11-20',
    costMicro: '12',
    promptTokens: 3,
    completionTokens: 4,
    requestCount: 2,
    successCount: 1,
  },
  weekly: {
    from: '2026-11-16',
    costMicro: '120',
    promptTokens: 30,
    completionTokens: 40,
    requestCount: 20,
    successCount: 10,
  },
  monthly: {
    from: '2026-11-01',
    costMicro: '90071992547409930',
    promptTokens: 300,
    completionTokens: 400,
    requestCount: 200,
    successCount: 100,
  },
};

export function testUpstream(origin: string, overrides: Partial<CompiledUpstream> = {}): CompiledUpstream {
  return {
    id: 'upstream-1',
    name: 'deepseek',
    vendor: 'deepseek',
    protocol: 'chat',
    origin,
    basePath: '/v1',
    credential: PROVIDER_CREDENTIAL,
    sandbox: false,
    ...overrides,
  };
}

export function testModel(overrides: Partial<SnapshotModel> = {}): SnapshotModel {
  return {
    id: MODEL_ID,
    vendor: 'deepseek',
    author: 'deepseek',
    displayName: 'DeepSeek V4 Pro',
    releasedAt: 1_780_000_000,
    contextTokens: 1_000_000,
    maxOutputTokens: 384_000,
    inputModalities: ['text'],
    outputModalities: ['text'],
    capabilities: { tools: true, json: true, temperature: true, attachment: null },
    status: 'listed',
    prices: [
      {
        id: 'price-1',
        effectiveAtMs: 0,
        tiers: [
          {
            aboveTokens: 0,
            input: 1_000_000,
            output: 4_000_000,
            cacheRead: 100_000,
            cacheWrite5m: 1_000_000,
            cacheWrite1h: 1_000_000,
          },
        ],
        perRequestNano: '0',
      },
    ],
    published: [
      {
        aboveTokens: 0,
        inputMicroPerM: 1_000_000,
        outputMicroPerM: 4_000_000,
        cacheReadMicroPerM: 100_000,
        cacheWrite5mMicroPerM: null,
        cacheWrite1hMicroPerM: null,
      },
    ],
    routes: [],
    ...overrides,
  };
}

/** Posts a chat completion as a plain client does. */
export function postChat(
  target: GatewayUnderTest,
  body: unknown,
  init: { headers?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<Response> {
  return fetch(`${target.url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${target.secret}`,
      'content-type': 'application/json',
      ...init.headers,
    },
    body: typeof body === 'string' || Buffer.isBuffer(body) ? (body as string) : JSON.stringify(body),
    ...(init.signal === undefined ? {} : { signal: init.signal }),
  });
}
