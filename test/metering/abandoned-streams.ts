import type { ServerResponse } from 'node:http';
import { request } from 'node:http';
import { systemClock } from '#shared/clock.ts';
import { costOf } from '#shared/price.ts';
import type { Dialect, ProviderProtocol, UsageRecord } from '#shared/usage-record.ts';
import {
  type GatewayUnderTest,
  startGateway,
  testModel,
  testUpstream,
} from '#test/data-plane/support/gateway-under-test.ts';
import { type SeededRandom, seededRandom } from '#test/reliability/seeded-random.ts';
import { PROVIDER_STREAMS, type ProviderStream, STATED } from './provider-streams.ts';

const CLIENT_PATHS: Readonly<Record<Dialect, string>> = {
  chat: '/v1/chat/completions',
  responses: '/v1/responses',
  messages: '/v1/messages',
};
const REQUESTS: Readonly<Record<Dialect, object>> = {
  chat: { messages: [{ role: 'user', content: 'Say a lot.' }], max_tokens: 400 },
  responses: { input: 'Say a lot.', max_output_tokens: 400 },
  messages: { messages: [{ role: 'user', content: 'Say a lot.' }], max_tokens: 400 },
};
const BASE_PATHS: Readonly<Record<ProviderProtocol, string>> = {
  chat: '/v1',
  responses: '/v1',
  messages: '',
  gemini: '/v1beta',
};
const LONGEST_STREAM_BYTES = 12_000;
const TYPICAL_BYTES_PER_TOKEN = 4;

export interface Cell {
  readonly client: Dialect;
  readonly provider: ProviderProtocol;
}

export const CELLS: readonly Cell[] = (['chat', 'responses', 'messages'] as const).flatMap((client) =>
  (['chat', 'responses', 'messages', 'gemini'] as const).map((provider) => ({ client, provider })),
);

export interface AbandonmentReport {
  /** One line each; empty when every stream was charged by the rule. */
  readonly problems: readonly string[];
  readonly aborted: number;
  /** Of them, those billed by the provider's own counts. */
  readonly byProviderCounts: number;
  /** From the client's departure until the provider saw its connection close, ms. */
  readonly slowestCancelMs: number;
}

/** Leaves `count` streams of one cell at random byte offsets and judges the record of each. */
export async function abandonStreams(
  { client, provider }: Cell,
  count: number,
  seed: number,
): Promise<AbandonmentReport> {
  const gateway = await startGateway();
  const upstream = testUpstream(gateway.provider.origin, {
    protocol: provider,
    basePath: BASE_PATHS[provider],
  });
  gateway.snapshot.addModel(testModel({ id: 'vendor/talker' }), [{ upstream, providerModel: 'talker' }]);
  const random = seededRandom(seed);
  const problems: string[] = [];
  let aborted = 0;
  let byProviderCounts = 0;
  let slowestCancelMs = 0;
  try {
    for (let round = 0; round < count; round += 1) {
      const offset = random.between(0, LONGEST_STREAM_BYTES);
      const run = await abandonOne(gateway, { client, provider }, offset, random);
      problems.push(
        ...run.problems.map((problem) => `${client} on ${provider} at byte ${offset}: ${problem}`),
      );
      if (run.record?.status === 'aborted') {
        aborted += 1;
        if (run.record.usage.source === 'upstream') byProviderCounts += 1;
        slowestCancelMs = Math.max(slowestCancelMs, run.cancelMs);
      }
    }
    if (gateway.quotas.open !== 0) problems.push(`${gateway.quotas.open} holds were not settled`);
  } finally {
    await gateway.stop();
  }
  return { problems, aborted, byProviderCounts, slowestCancelMs };
}

interface Abandoned {
  readonly problems: readonly string[];
  readonly record: UsageRecord | undefined;
  readonly cancelMs: number;
}

async function abandonOne(
  gateway: GatewayUnderTest,
  { client, provider }: Cell,
  offset: number,
  random: SeededRandom,
): Promise<Abandoned> {
  gateway.spool.records.length = 0;
  gateway.quotas.settled.length = 0;
  const stream = PROVIDER_STREAMS[provider];
  const cut = Promise.withResolvers<number>();
  gateway.provider.script = (response) => {
    response.on('close', () => cut.resolve(systemClock.monotonicMs()));
    return speak(response, stream, random);
  };
  const left = await readAndLeave(gateway, client, offset);
  const [record] = await gateway.spool.wait(1);
  const cutAtMs = await cut.promise;
  await new Promise((resolve) => setImmediate(resolve));
  const problems: string[] = [];
  if (gateway.spool.records.length !== 1) problems.push(`${gateway.spool.records.length} records`);
  if (gateway.quotas.settled.length !== 1) problems.push(`settled ${gateway.quotas.settled.length} times`);
  if (record === undefined) problems.push('no record');
  else problems.push(...judge(record, stream, left.received));
  if (record !== undefined && gateway.quotas.settled[0]?.costNano.toString() !== record.costNano)
    problems.push('the hold was settled with another cost than the record has');
  return { problems, record, cancelMs: cutAtMs - left.atMs };
}

/** Writes the provider's stream in small pieces that know nothing of events, until it is over or nobody listens. */
async function speak(response: ServerResponse, stream: ProviderStream, random: SeededRandom): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const bytes = Buffer.from(stream.events.join(''));
  for (let at = 0; at < bytes.length && !response.destroyed; ) {
    const size = random.between(1, 700);
    response.write(bytes.subarray(at, at + size));
    at += size;
    await new Promise((resolve) => setImmediate(resolve));
  }
  response.end();
}

/** Reads an answer and hangs up once `offset` bytes of it have come; resolves when it has hung up, or all has come. */
function readAndLeave(
  gateway: GatewayUnderTest,
  client: Dialect,
  offset: number,
): Promise<{ received: string; atMs: number }> {
  return new Promise((resolve) => {
    let received = '';
    const done = () => resolve({ received, atMs: systemClock.monotonicMs() });
    const call = request(`${gateway.url}${CLIENT_PATHS[client]}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.secret}`, 'content-type': 'application/json' },
    });
    const leave = () => {
      done();
      call.destroy();
    };
    call.on('error', () => undefined);
    call.on('response', (response) => {
      if (offset === 0) leave();
      response.on('data', (piece: Buffer) => {
        received += piece.toString('latin1');
        if (received.length >= offset) leave();
      });
      response.on('end', done);
      response.on('error', () => undefined);
    });
    call.end(JSON.stringify({ ...REQUESTS[client], model: 'vendor/talker', stream: true }));
  });
}

function judge(record: UsageRecord, stream: ProviderStream, received: string): string[] {
  const problems: string[] = [];
  const { usage } = record;
  const price = testModel().prices[0];
  if (price === undefined) throw new Error('The model of the tests has a price');
  if (costOf(usage, price).toString() !== record.costNano)
    problems.push('the cost is not that of the counts');
  const deliveredWords = stream.wordsIn(received);
  const deliveredBytes = deliveredWords * stream.bytesPerWord;
  const deliveredTokens = Math.ceil(deliveredBytes / TYPICAL_BYTES_PER_TOKEN);
  if (deliveredBytes > 0 && (usage.output === 0 || record.costNano === '0'))
    problems.push('text was delivered for nothing');
  if (record.status === 'success') {
    if (usage.source !== 'upstream' || usage.output !== STATED.output || usage.input !== STATED.input)
      problems.push(`a whole answer was recorded as ${JSON.stringify(usage)}`);
    return problems;
  }
  if (record.status !== 'aborted' || record.errorCode !== 'client_closed')
    problems.push(`recorded as ${record.status} ${record.errorCode}`);
  const isStated = stream.statements.some(
    ({ input, output }) => input === usage.input && output === usage.output,
  );
  if (usage.source === 'upstream' && !isStated)
    problems.push(`counts that the provider never stated: ${JSON.stringify(usage)}`);
  if (usage.source === 'upstream' && usage.output < stream.leastOutput(deliveredWords))
    problems.push(`counts of before the text: ${usage.output} tokens for ${deliveredWords} words`);
  if (usage.source === 'estimated' && usage.output < deliveredTokens)
    problems.push(`estimated ${usage.output} tokens for ${deliveredBytes} delivered bytes`);
  if (usage.output > Math.max(STATED.output, stream.totalTextBytes / TYPICAL_BYTES_PER_TOKEN + 1))
    problems.push(`${usage.output} tokens are more than the answer has`);
  if (stream.statesPromptFirst && deliveredBytes > 0 && usage.input !== STATED.input)
    problems.push(`the provider's prompt count ${STATED.input} became ${usage.input}`);
  if (usage.input === 0) problems.push('the prompt cost nothing');
  return problems;
}
