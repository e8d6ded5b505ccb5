import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { askChat, DONE, messages, STOP } from './support/ask-chat.ts';
import { type GatewayUnderTest, MODEL_ID, startGateway } from './support/gateway-under-test.ts';
import { answersStream, type ProviderScript } from './support/scripted-provider.ts';

/** At two bytes a token, the worst that text comes to, each is 1,024 tokens. */
const TEXT = 'x'.repeat(2_048);
const CHUNK = `data: {"model":"p","choices":[{"index":0,"delta":{"content":"${TEXT}"},"finish_reason":null}]}\n\n`;
const chunks = (count: number): string[] => Array.from({ length: count }, () => CHUNK);

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());
afterEach(() => {
  gateway.quotas.extensions = [];
  gateway.quotas.extended.length = 0;
  gateway.quotas.settled.length = 0;
  gateway.spool.records.length = 0;
});

const textOf = (answer: string): number => answer.split(TEXT).length - 1;

describe('a stream without a stated limit', () => {
  it('holds 4,096 more tokens each time before it needs them', async () => {
    const answer = await askChat(gateway, answersStream([...chunks(9), STOP, DONE], 2), { stream: true });
    expect([textOf(answer.text), answer.cut]).toEqual([9, false]);
    expect(gateway.quotas.extended).toEqual([16_384_000n, 16_384_000n]);
  });

  it('needs no more where a limit is stated', async () => {
    await askChat(gateway, answersStream([...chunks(10), STOP, DONE]), { stream: true, max_tokens: 20_000 });
    expect(gateway.quotas.extended).toEqual([]);
  });

  it('ends with the billing error when there is no more money, and is billed what was delivered', async () => {
    gateway.quotas.extensions = ['held', 'short'];
    const script: ProviderScript = answersStream([...chunks(30), STOP, DONE], 5);
    const answer = await askChat(gateway, script, { stream: true });
    expect(answer.cut).toBe(true);
    const delivered = textOf(answer.text);
    expect(delivered).toBe(8);
    expect(answer.text).toContain('"code":"insufficient_balance"');
    await gateway.provider.requests.at(-1)?.cut;
    const [record] = await gateway.spool.wait(1);
    expect(record).toMatchObject({
      status: 'aborted',
      httpStatus: 200,
      errorCode: 'insufficient_balance',
      usage: { source: 'estimated' },
    });
    expect(BigInt(record?.costNano ?? 0)).toBeGreaterThan(0n);
    expect(gateway.quotas.settled).toHaveLength(1);
  });

  it('ends so in the Responses dialect too', async () => {
    gateway.quotas.extensions = ['short'];
    gateway.provider.script = answersStream([...chunks(30), STOP, DONE], 5);
    const answer = await fetch(`${gateway.url}/v1/responses`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.secret}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: MODEL_ID, stream: true, input: messages[0]?.content }),
    });
    let text = '';
    try {
      for await (const piece of answer.body ?? []) text += Buffer.from(piece).toString();
    } catch {
      // Broken off, as it should be.
    }
    expect(text).toMatch(/event: (error|response\.failed)/);
    expect(text).toContain('insufficient_balance');
    expect((await gateway.spool.wait(1))[0]).toMatchObject({ errorCode: 'insufficient_balance' });
  });

  it('waits for a slow answer at the end of its step, and goes on', async () => {
    let grant: (extension: 'held') => void = () => {};
    gateway.quotas.extensions = [new Promise((resolve) => (grant = resolve))];
    let sent = 0;
    const answered = askChat(
      gateway,
      async (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        for (const chunk of [...chunks(400), STOP, DONE]) {
          if (!response.write(chunk)) await new Promise((resolve) => response.once('drain', resolve));
          sent += 1;
        }
        response.end();
      },
      { stream: true },
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(gateway.quotas.extended).toHaveLength(1);
    expect(gateway.quotas.settled).toHaveLength(0);
    grant('held');
    const answer = await answered;
    expect([textOf(answer.text), answer.cut, sent]).toEqual([400, false, 402]);
  });

  it('ends as unavailable when nobody can say for too long', async () => {
    gateway.quotas.extensions = Array.from({ length: 100 }, () => 'unknown' as const);
    const answer = await askChat(gateway, answersStream([...chunks(30), STOP, DONE], 5), { stream: true });
    expect([textOf(answer.text), answer.cut]).toEqual([4, true]);
    expect(answer.text).toContain('"code":"model_unavailable"');
  });
});
