import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import type { ProviderProtocol } from '#shared/usage-record.ts';
import { type GatewayUnderTest, startGateway } from './support/gateway-under-test.ts';
import { type ClientName, openClient } from './support/loop-clients.ts';
import { addProtocolModel, PROTOCOLS } from './support/protocol-models.ts';
import { answersStep, thinkingProviders } from './support/thinking-providers.ts';
import { callArguments, type LoopStep } from './support/thinking-step.ts';

const TURNS = 5;

let gateway: GatewayUnderTest;
const models = new Map<ProviderProtocol, string>();
beforeAll(async () => {
  gateway = await startGateway();
  for (const protocol of PROTOCOLS)
    models.set(protocol, addProtocolModel(gateway, protocol, gateway.provider.origin));
});
afterAll(() => gateway.stop());

interface SentRequest {
  readonly protocol: ProviderProtocol;
  readonly text: string;
  readonly body: JsonObject;
  readonly dropped: string | null;
}

interface Loop {
  readonly sent: readonly SentRequest[];
  readonly steps: readonly LoopStep[];
  readonly texts: readonly string[];
}

/** Runs a loop in which step `n` is asked of `plan[n]`; every step but the last calls two tools. */
async function runLoop(
  client: ClientName,
  stream: boolean,
  plan: readonly ProviderProtocol[],
): Promise<Loop> {
  const conversation = openClient(gateway, client, stream);
  const sent: SentRequest[] = [];
  const steps: LoopStep[] = [];
  const texts: string[] = [];
  for (const [turn, protocol] of plan.entries()) {
    const tag = `${protocol}${turn}`;
    const isLast = turn === plan.length - 1;
    const step = thinkingProviders[protocol].step(tag, isLast);
    gateway.provider.script = answersStep(step);
    gateway.provider.requests.length = 0;
    const answer = await conversation.next(models.get(protocol) ?? '');
    const received = gateway.provider.requests[0];
    if (received === undefined) throw new Error('The provider was not asked');
    const text = received.body.toString();
    sent.push({ protocol, text, body: JSON.parse(text), dropped: answer.dropped });
    steps.push(step);
    texts.push(answer.text);
    const expected = isLast ? [] : [callArguments(`${tag}a`), callArguments(`${tag}b`)];
    expect(answer.calls.map((call) => call.arguments)).toEqual(expected);
    conversation.giveResults(answer.calls.map(({ id }, call) => ({ id, output: `result ${tag} ${call}` })));
  }
  return { sent, steps, texts };
}

/** State of `protocol` that was issued before step `turn`. */
function issued(loop: Loop, protocol: ProviderProtocol, turn: number): JsonValue[] {
  return loop.steps
    .slice(0, turn)
    .flatMap((step, at) => (loop.sent[at]?.protocol === protocol ? step.state : []));
}

/** Each request begins with the one before it, so that what the provider has cached of that is used again. */
function expectPrefixes(sent: readonly SentRequest[]): void {
  for (const [at, { text }] of sent.slice(0, -1).entries()) {
    const next = sent[at + 1]?.text ?? '';
    let shared = 0;
    while (shared < text.length && text[shared] === next[shared]) shared += 1;
    expect(shared / text.length).toBeGreaterThanOrEqual(0.99);
  }
}

function expectNothingForeign(loop: Loop, turn: number): void {
  const { protocol, body } = loop.sent[turn] ?? {};
  const text = JSON.stringify(body);
  const foreign = loop.steps.filter((_, at) => loop.sent[at]?.protocol !== protocol);
  for (const secret of foreign.flatMap((step) => step.secrets)) {
    expect(text).not.toContain(secret);
    expect(text).not.toContain(Buffer.from(secret).toString('base64').slice(0, 64));
  }
  expect(text).not.toMatch(/cm[12][._]|cm1id_/);
}

const CLIENTS: readonly ClientName[] = ['chat', 'chat that joins fields', 'responses', 'messages'];
const cells = CLIENTS.flatMap((client) =>
  PROTOCOLS.flatMap((provider) => [false, true].map((stream) => ({ client, provider, stream }))),
)
  // The provider's own pieces pass through, and of those the SDK keeps the last: nothing that we could change.
  .filter(({ client, provider, stream }) => !(client === 'chat' && provider === 'chat' && stream));

describe('a loop of five steps with thinking', () => {
  it.each(cells)(
    'of a $client client gives a $provider provider its state back, streamed: $stream',
    async ({ client, provider, stream }) => {
      const loop = await runLoop(
        client,
        stream,
        Array.from({ length: TURNS }, () => provider),
      );
      expect(loop.texts.at(-1)).toBe('The end.');
      loop.sent.forEach(({ body }, turn) => {
        const found = thinkingProviders[provider].stateIn(body);
        expect(found.problems).toEqual([]);
        expect(found.state).toEqual(issued(loop, provider, turn));
        expect(JSON.stringify(body)).not.toMatch(/cm[12][._]|cm1id_/);
      });
      expectPrefixes(loop.sent);
    },
  );
});

/** Plans that change the provider in the middle of the loop, and come back. */
const switches = CLIENTS.flatMap((client) =>
  PROTOCOLS.flatMap((first) =>
    PROTOCOLS.filter((other) => other !== first).flatMap((other) =>
      [false, true].map((stream) => ({ client, first, other, stream })),
    ),
  ),
).filter(
  ({ client, first, other, stream }) =>
    !(client === 'chat' && stream && (first === 'chat' || other === 'chat')),
);

describe('a loop that changes its provider', () => {
  it.each(switches)(
    'of a $client client from $first to $other and back, streamed: $stream, sends each its own state and nothing of the other',
    async ({ client, first, other, stream }) => {
      const loop = await runLoop(client, stream, [first, first, other, other, first]);
      loop.sent.forEach(({ protocol, body, dropped }, turn) => {
        expectNothingForeign(loop, turn);
        const found = thinkingProviders[protocol].stateIn(body);
        expect(found.problems).toEqual([]);
        expect(found.state).toEqual(issued(loop, protocol, turn));
        if (turn === 2) expect(dropped).toBeTruthy();
        if (turn < 2) expect(dropped ?? '').not.toContain('signature');
      });
      // A model that thinks within a budget starts to think once the calls of the other are behind it.
      if (other !== 'messages') expectPrefixes(loop.sent.slice(2, 4));
      expect(loop.texts.at(-1)).toBe('The end.');
    },
  );
});

describe('a chat client that keeps only the fields that it knows', () => {
  const cells = PROTOCOLS.flatMap((provider) => [false, true].map((stream) => ({ provider, stream })));
  it.each(cells)(
    'finishes its loop with a $provider provider, streamed: $stream',
    async ({ provider, stream }) => {
      const loop = await runLoop(
        'bare chat',
        stream,
        Array.from({ length: TURNS }, () => provider),
      );
      expect(loop.texts.at(-1)).toBe('The end.');
      for (const { body } of loop.sent) {
        const found = thinkingProviders[provider].stateIn(body);
        expect(found.problems).toEqual([]);
        // What rides on call ids comes back all the same.
        if (provider === 'gemini')
          expect(found.state).toEqual(
            issued(
              loop,
              provider,
              loop.sent.findIndex((sent) => sent.body === body),
            ),
          );
        expect(JSON.stringify(body)).not.toMatch(/cm[12][._]|cm1id_/);
      }
    },
  );
});
