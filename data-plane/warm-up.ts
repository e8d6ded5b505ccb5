import { mintApiKey } from '#shared/api-key.ts';
import type { SnapshotModel } from '#shared/snapshot.ts';
import type { Gateway } from './gateway.ts';
import { startServer } from './server.ts';
import type { CompiledKey, CompiledModel, CompiledSnapshot } from './snapshot/compiled-snapshot.ts';
import { NO_COUNTER } from './token-count/token-counter.ts';
import type { UpstreamCall, UpstreamClient, UpstreamHandler } from './upstream/upstream-client.ts';

const REQUESTS = 300;
const CONCURRENCY = 10;
/** A start is never held up longer than this. */
const DEADLINE_MS = 1_500;
const MODEL_ID = 'rehearsal/model';

/**
 * Sends a few hundred requests through a gateway of its own on the loopback interface, so that the first customers meet
 * compiled code. It shares only code with the real one: its key, model, provider, quotas and spool exist in memory alone.
 */
export async function warmUp(real: Gateway): Promise<void> {
  const { secret, digest } = mintApiKey();
  const server = await startServer(rehearsalOf(real, digest), '127.0.0.1', 0);
  const untilMs = real.clock.monotonicMs() + DEADLINE_MS;
  let sent = 0;
  const sendInTurn = async (): Promise<void> => {
    while (sent < REQUESTS && real.clock.monotonicMs() < untilMs) {
      sent += 1;
      await sendOne(real.upstreams, server.port, secret, sent % 2 === 0);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, sendInTurn));
  server.close();
}

function sendOne(client: UpstreamClient, port: number, secret: string, stream: boolean): Promise<void> {
  const messages = [{ role: 'user', content: 'Warm up.' }];
  return new Promise((resolve) => {
    client.send(
      {
        origin: `http://127.0.0.1:${port}`,
        path: '/v1/chat/completions',
        headers: ['authorization', `Bearer ${secret}`, 'content-type', 'application/json'],
        body: Buffer.from(JSON.stringify({ model: MODEL_ID, messages, stream, max_tokens: 16 })),
      },
      { onHead: () => {}, onData: () => {}, onEnd: resolve, onFailure: () => resolve() },
    );
  });
}

const STANDING = {
  requestLimit: REQUESTS,
  tokenLimit: REQUESTS,
  remainingRequests: REQUESTS,
  remainingTokens: REQUESTS,
  requestResetMs: 0,
  tokenResetMs: 0,
};

function rehearsalOf(real: Gateway, digest: string): Gateway {
  const snapshot = rehearsalSnapshot(digest);
  return {
    ...real,
    snapshots: { current: () => snapshot, ageMs: () => 0 },
    upstreams: new RehearsalProvider(),
    tokenCounter: NO_COUNTER,
    spool: { accepting: true, append: (_, onSpooled) => void setImmediate(onSpooled) },
    quotas: {
      hold: ({ worstCaseNano: heldNano }) => ({ heldNano, budgetPeriod: undefined, standing: STANDING }),
      extend: () => 'held',
      settle: () => 0n,
      readWallet: async () => undefined,
    },
  };
}

function rehearsalSnapshot(digest: string): CompiledSnapshot {
  const accountId = 'rehearsal';
  const config: CompiledKey['config'] = {
    id: accountId,
    digest,
    accountId,
    status: 'active',
    expiresAtMs: null,
    rpmLimit: REQUESTS,
    tpmLimit: REQUESTS,
    aliases: [],
  };
  const key: CompiledKey = { config, exactAliases: new Map(), prefixAliases: [] };
  const model = rehearsalModel();
  return {
    sequence: 0,
    mayLackNewest: false,
    listedModels: [],
    findKey: (wanted) => (wanted === digest ? key : undefined),
    findAccount: (id) => ({ id, status: 'active' }),
    findModel: (id) => (id === MODEL_ID ? model : undefined),
  };
}

function rehearsalModel(): CompiledModel {
  const tier = { aboveTokens: 0, input: 1, output: 1, cacheRead: 1, cacheWrite5m: 1, cacheWrite1h: 1 };
  const prices = [{ id: 'rehearsal', effectiveAtMs: 0, tiers: [tier], perRequestNano: '0' }];
  const config: SnapshotModel = {
    id: MODEL_ID,
    vendor: 'rehearsal',
    author: 'rehearsal',
    displayName: 'Rehearsal',
    releasedAt: 0,
    contextTokens: null,
    maxOutputTokens: null,
    inputModalities: ['text'],
    outputModalities: ['text'],
    capabilities: { tools: false, json: null, temperature: null, attachment: null },
    status: 'hidden',
    prices,
    published: [],
    routes: [],
  };
  const upstream = {
    id: 'rehearsal',
    name: 'rehearsal',
    vendor: 'rehearsal',
    protocol: 'chat',
    origin: 'http://127.0.0.1',
    basePath: '/v1',
    credential: null,
    sandbox: false,
  } as const;
  return { config, prices, routes: [{ upstream, providerModel: 'model', weight: 1, priority: 0 }] };
}

const USAGE = '"usage":{"prompt_tokens":2,"completion_tokens":3,"total_tokens":5}';
const WHOLE_ANSWER = Buffer.from(
  `{"model":"model","choices":[{"index":0,"message":{"role":"assistant","content":"Warm."},"finish_reason":"stop"}],${USAGE}}`,
);
const chunk = (delta: string, ending: string): Buffer =>
  Buffer.from(
    `data: {"model":"model","choices":[{"index":0,"delta":{${delta}},"finish_reason":${ending}}]}\n\n`,
  );
const STREAMED_ANSWER = [
  chunk('"role":"assistant"', 'null'),
  ...['W', 'a', 'r', 'm', '.'].map((letter) => chunk(`"content":"${letter}"`, 'null')),
  chunk('', '"stop"'),
  Buffer.from(`data: {"model":"model","choices":[],${USAGE}}\n\n`),
  Buffer.from('data: [DONE]\n\n'),
];
const DONE_CALL: UpstreamCall = { abort: () => {}, pause: () => {}, resume: () => {} };

/** Answers at once, from memory. */
class RehearsalProvider implements UpstreamClient {
  send(request: { readonly body: Buffer }, handler: UpstreamHandler): UpstreamCall {
    const isStream = request.body.includes('"stream":true');
    setImmediate(() => {
      handler.onHead(200, { 'content-type': isStream ? 'text/event-stream' : 'application/json' });
      for (const piece of isStream ? STREAMED_ANSWER : [WHOLE_ANSWER]) handler.onData(piece);
      handler.onEnd();
    });
    return DONE_CALL;
  }

  async close(): Promise<void> {}
}
