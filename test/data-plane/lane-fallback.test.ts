import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type GatewayUnderTest, postChat, startGateway, testModel } from './support/gateway-under-test.ts';
import { protocolUpstream } from './support/protocol-models.ts';
import { answersJson, type ProviderScript, ScriptedProvider } from './support/scripted-provider.ts';
import { answersStep, thinkingProviders } from './support/thinking-providers.ts';

const messages = [{ role: 'user', content: 'hello' }];
const overloaded = answersJson({ error: { message: 'overloaded' } }, 503);

let gateway: GatewayUnderTest;
let spare: ScriptedProvider;
beforeAll(async () => {
  gateway = await startGateway();
  spare = await ScriptedProvider.start();
  const own = protocolUpstream(gateway.provider.origin, 'chat', { vendor: 'openai' });
  for (const protocol of ['messages', 'responses', 'gemini'] as const)
    gateway.snapshot.addModel(testModel({ id: `chat-then/${protocol}` }), [
      { upstream: own, providerModel: 'first' },
      { upstream: protocolUpstream(spare.origin, protocol), providerModel: 'second' },
    ]);
  gateway.snapshot.addModel(testModel({ id: 'messages-then/gemini' }), [
    { upstream: protocolUpstream(gateway.provider.origin, 'messages'), providerModel: 'first' },
    { upstream: protocolUpstream(spare.origin, 'gemini'), providerModel: 'second' },
  ]);
});
afterAll(async () => {
  await gateway.stop();
  await spare.stop();
});
beforeEach(() => {
  gateway.provider.requests.length = 0;
  spare.requests.length = 0;
  gateway.spool.records.length = 0;
});

async function ask(model: string, script: ProviderScript, extra: object = {}) {
  gateway.provider.script = script;
  const answer = await postChat(gateway, { model, messages, ...extra });
  return { status: answer.status, text: await answer.text(), headers: answer.headers };
}

describe('a route of another protocol', () => {
  it.each(
    (['messages', 'responses', 'gemini'] as const).flatMap((protocol) =>
      [false, true].map((stream) => ({ protocol, stream })),
    ),
  )(
    'answers in the client’s dialect when the native one fails: $protocol, streamed: $stream',
    async ({ protocol, stream }) => {
      spare.script = answersStep(thinkingProviders[protocol].step('spare', true));
      const { status, text } = await ask(`chat-then/${protocol}`, overloaded, { stream });
      expect(status).toBe(200);
      expect(text).toContain(stream ? '"object":"chat.completion.chunk"' : '"object":"chat.completion"');
      expect(text).toContain(`chat-then/${protocol}`);
      expect(gateway.spool.records).toMatchObject([
        { status: 'success', lane: 'translate', upstream: `${protocol}-upstream` },
      ]);
    },
  );

  it('is no reason to refuse what the native one understands', async () => {
    const completion = { choices: [{ index: 0, message: { content: 'fine' }, finish_reason: 'stop' }] };
    const odd = [{ role: 'user', content: [{ type: 'hologram', hologram: { depth: 3 } }] }];
    const served = await ask('chat-then/messages', answersJson(completion), { messages: odd });
    expect([served.status, spare.requests.length]).toEqual([200, 0]);
  });

  it('that cannot say what was asked leaves the word to the provider that failed', async () => {
    const { status, text } = await ask('chat-then/messages', overloaded, { n: 2 });
    expect([status, JSON.parse(text)]).toMatchObject([502, { error: { code: 'provider_error' } }]);
    expect([gateway.provider.requests.length, spare.requests.length]).toEqual([1, 0]);
    expect(gateway.spool.records).toMatchObject([
      { status: 'error', lane: 'forward', upstream: 'chat-upstream' },
    ]);
  });

  it('is asked when the first cannot say it', async () => {
    const two = { ...thinkingProviders.gemini.step('spare', true).whole } as { candidates: object[] };
    const [candidate] = two.candidates;
    spare.script = answersJson({ ...two, candidates: [candidate, { ...candidate, index: 1 }] });
    const { status, text } = await ask('messages-then/gemini', overloaded, { n: 2 });
    expect([status, JSON.parse(text).choices.length]).toEqual([200, 2]);
    expect(gateway.provider.requests).toHaveLength(0);
  });

  it('refuses with the field’s name when no route has the words', async () => {
    const { status, text } = await ask('messages-then/gemini', overloaded, {
      audio: { voice: 'alloy' },
      modalities: ['audio', 'text'],
    });
    expect([status, JSON.parse(text)]).toMatchObject([400, { error: { code: 'unsupported_parameter' } }]);
    expect([gateway.provider.requests.length, spare.requests.length]).toEqual([0, 0]);
    expect(gateway.quotas.open).toBe(0);
  });
});
