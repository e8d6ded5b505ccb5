import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import { type GatewayUnderTest, startGateway } from './support/gateway-under-test.ts';
import { type ClientName, openClient } from './support/loop-clients.ts';
import { addProtocolModel } from './support/protocol-models.ts';
import { answersStep, thinkingProviders } from './support/thinking-providers.ts';
import { type LoopStep, objectsIn } from './support/thinking-step.ts';

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());
beforeEach(() => {
  gateway.provider.requests.length = 0;
});

const CALL_ID = 'functions.get_weather:0';

/** A step of a chat provider that tells its thought in `message`, and calls a tool under an id of its own kind. */
function thoughtfulStep(tag: string, isLast: boolean, thought: (tag: string) => JsonObject): LoopStep {
  const call = {
    id: CALL_ID.replace('0', tag),
    type: 'function',
    function: { name: 'get_weather', arguments: '{"city":"Lisbon"}' },
  };
  const said: JsonObject = { content: isLast ? 'The end.' : '', ...thought(tag) };
  const finish_reason = isLast ? 'stop' : 'tool_calls';
  const calls = isLast ? {} : { tool_calls: [call] };
  const chunk = (delta: JsonObject, reason: string | null): JsonObject => ({
    id: `gen-${tag}`,
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [{ index: 0, delta, finish_reason: reason }],
  });
  const deltas: JsonObject[] = [
    { role: 'assistant', ...thought(tag) },
    isLast ? { content: 'The end.' } : { tool_calls: [{ index: 0, ...call }] },
  ];
  return {
    whole: {
      id: `gen-${tag}`,
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [{ index: 0, message: { role: 'assistant', ...said, ...calls }, finish_reason }],
    },
    stream: [
      ...deltas.map((delta) => ({ data: chunk(delta, null) })),
      { data: chunk({}, finish_reason) },
      { data: '[DONE]' },
    ],
    state: [],
    secrets: [],
  };
}

/** Vendors of the chat family, each with its own place for thoughts. */
const VENDORS: readonly (readonly [vendor: string, thought: (tag: string) => JsonObject])[] = [
  ['deepseek', (tag) => ({ reasoning_content: `I think ${tag}` })],
  ['moonshot', (tag) => ({ reasoning_content: `I think ${tag}` })],
  ['groq', (tag) => ({ reasoning: `I think ${tag}` })],
  ['minimax', (tag) => ({ reasoning_details: [{ type: 'reasoning.text', text: `I think ${tag}` }] })],
  [
    'mistral',
    (tag) => ({ content: [{ type: 'thinking', thinking: [{ type: 'text', text: `I think ${tag}` }] }] }),
  ],
];
const CLIENTS: readonly ClientName[] = ['messages', 'responses'];
const cells = VENDORS.flatMap(([vendor, thought]) =>
  CLIENTS.flatMap((client) => [false, true].map((stream) => ({ vendor, thought, client, stream }))),
);

describe('thoughts that are told in words', () => {
  it.each(cells)(
    'of $vendor come back to it where it reads them, through a $client client, streamed: $stream',
    async ({ vendor, thought, client, stream }) => {
      const model = addProtocolModel(gateway, 'chat', gateway.provider.origin, {
        vendor,
        id: `${vendor}-chat`,
      });
      const conversation = openClient(gateway, client, stream);
      for (const [turn, isLast] of [false, false, true].entries()) {
        gateway.provider.script = answersStep(thoughtfulStep(String(turn), isLast, thought));
        const answer = await conversation.next(model);
        for (const { id } of answer.calls) expect(id).toMatch(/^[a-zA-Z0-9_-]+$/);
        conversation.giveResults(answer.calls.map(({ id }) => ({ id, output: 'sunny' })));
      }
      const body = JSON.parse(gateway.provider.requests.at(-1)?.body.toString() ?? '') as JsonObject;
      const assistants = objectsIn(body.messages).filter(({ role }) => role === 'assistant');
      expect(assistants).toMatchObject(['0', '1'].map(thought));
      const ids = assistants.flatMap(({ tool_calls }) => objectsIn(tool_calls).map(({ id }) => id));
      // Mistral wants nine letters or digits; the others get their own ids.
      if (vendor !== 'mistral') expect(ids).toEqual(['0', '1'].map((tag) => CALL_ID.replace('0', tag)));
      else for (const id of ids) expect(id).toMatch(/^[a-zA-Z0-9]{9}$/);
    },
  );
});

describe('a conversation that moves to a vendor that is particular', () => {
  it.each(['groq', 'mistral'])(
    'reaches %s without fields and ids that it refuses, on the forward lane',
    async (vendor) => {
      const first = addProtocolModel(gateway, 'chat', gateway.provider.origin, {
        vendor: 'deepseek',
        id: 'easy-chat',
      });
      const second = addProtocolModel(gateway, 'chat', gateway.provider.origin, {
        vendor,
        id: `${vendor}-strict`,
      });
      const conversation = openClient(gateway, 'chat', false);
      const thought = (tag: string): JsonObject => ({ reasoning_content: `I think ${tag}` });
      gateway.provider.script = answersStep(thoughtfulStep('0', false, thought));
      const answer = await conversation.next(first);
      conversation.giveResults(answer.calls.map(({ id }) => ({ id, output: 'sunny' })));
      gateway.provider.script = answersStep(thoughtfulStep('1', true, () => ({})));
      const { dropped } = await conversation.next(second);
      const sent = gateway.provider.requests.at(-1)?.body.toString() ?? '';
      expect(sent).not.toContain('reasoning_content');
      expect(dropped).toContain('messages[2].reasoning_content');
      if (vendor === 'mistral') expect(sent).not.toContain(CALL_ID);
    },
  );

  it('reaches OpenAI without reasoning items that OpenAI never wrote', async () => {
    const first = addProtocolModel(gateway, 'chat', gateway.provider.origin, {
      vendor: 'deepseek',
      id: 'worded-chat',
    });
    const second = addProtocolModel(gateway, 'responses', gateway.provider.origin);
    const conversation = openClient(gateway, 'responses', true);
    gateway.provider.script = answersStep(
      thoughtfulStep('0', false, (tag) => ({ reasoning_content: `I think ${tag}` })),
    );
    const answer = await conversation.next(first);
    conversation.giveResults(answer.calls.map(({ id }) => ({ id, output: 'sunny' })));
    gateway.provider.script = answersStep(thinkingProviders.responses.step('x', true));
    const { dropped } = await conversation.next(second);
    const sent = JSON.parse(gateway.provider.requests.at(-1)?.body.toString() ?? '') as JsonObject;
    expect(objectsIn(sent.input).map(({ type }) => type)).toEqual([
      undefined,
      'function_call',
      'function_call_output',
    ]);
    expect(dropped).toBe('input[1]');
  });
});

describe('a conversation of several questions', () => {
  it.each(['chat', 'responses', 'messages', 'gemini'] as const)(
    'keeps the state of a %s provider over all of them',
    async (provider) => {
      const model = addProtocolModel(gateway, provider, gateway.provider.origin, { id: `${provider}-again` });
      for (const client of ['chat', 'responses', 'messages'] as const) {
        const conversation = openClient(gateway, client, false);
        const steps: LoopStep[] = [];
        for (const [turn, isLast] of [false, true, false, true].entries()) {
          const step = thinkingProviders[provider].step(`${provider}${turn}`, isLast);
          gateway.provider.script = answersStep(step);
          const answer = await conversation.next(model);
          const body = JSON.parse(gateway.provider.requests.at(-1)?.body.toString() ?? '') as JsonObject;
          const found = thinkingProviders[provider].stateIn(body);
          expect(found.problems).toEqual([]);
          expect(found.state).toEqual(steps.flatMap(({ state }) => state));
          steps.push(step);
          if (isLast) conversation.say('And tomorrow?');
          else conversation.giveResults(answer.calls.map(({ id }) => ({ id, output: 'sunny' })));
        }
      }
    },
  );
});
