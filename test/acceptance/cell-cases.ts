import { readFileSync } from 'node:fs';
import path from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type ClientName, openClient } from '#test/data-plane/support/loop-clients.ts';
import { type Customer, newCustomer, type Outside } from './outside.ts';

/** Models of the catalog by the protocol that the sandbox answers them in. */
const MODELS = {
  chat: 'deepseek/deepseek-v4-pro',
  responses: 'x-ai/grok-4.3',
  messages: 'anthropic/claude-haiku-4-5',
  gemini: 'gemini/gemini-2.5-flash',
} as const;

const schema = { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] };
const QUESTION = "What's the weather in Lisbon?";

const CITIES = ['Lisbon', 'Oslo', 'Quito', 'Hanoi'];
const FIVE_STEPS = CITIES.map((city) => `sandbox:call:get_weather {"city":"${city}"}`).join('\n');
const CLIENTS: readonly ClientName[] = ['chat', 'responses', 'messages'];
const LOOPS = CLIENTS.flatMap((client) => [false, true].map((stream) => ({ client, stream })));

/** Every client dialect on every provider protocol: text, streams and a loop of tool calls, as the official SDKs see them. */
export function cellCases(outside: () => Outside): void {
  beforeAll(async () => {
    const { product, operator } = outside();
    const port = readFileSync(path.join(product.home, 'sandbox.port'), 'utf8').trim();
    const { upstreamCreate } = await operator.query(
      `mutation ($input: UpstreamCreateInput!) { upstreamCreate(input: $input) { userErrors { message } } }`,
      {
        input: {
          name: 'sandbox over responses',
          vendor: 'x-ai',
          protocol: 'RESPONSES',
          baseUrl: `http://127.0.0.1:${port}/v1`,
        },
      },
      z.object({ upstreamCreate: z.object({ userErrors: z.array(z.unknown()) }) }),
    );
    expect(upstreamCreate.userErrors).toEqual([]);
  });

  describe.each(Object.entries(MODELS))('a model whose provider speaks %s', (_, model) => {
    let customer: Customer;
    let openai: OpenAI;
    let anthropic: Anthropic;
    beforeAll(async () => {
      customer = await newCustomer(outside(), { rpmLimit: 1_000, tpmLimit: 10_000_000 });
      const { dataPlaneUrl } = outside().product.access;
      openai = new OpenAI({ baseURL: `${dataPlaneUrl}/v1`, apiKey: customer.apiKey, maxRetries: 0 });
      anthropic = new Anthropic({ baseURL: dataPlaneUrl, apiKey: customer.apiKey, maxRetries: 0 });
    });

    it('answers Chat Completions, whole and streamed alike', async () => {
      const messages = [{ role: 'user' as const, content: 'Say this is a test' }];
      const whole = await openai.chat.completions.create({ model, messages });
      const streamed = await openai.chat.completions.stream({ model, messages }).finalChatCompletion();
      expect(whole.model).toBe(model);
      expect(whole.choices[0]?.message.content).toBeTruthy();
      expect(streamed.choices[0]?.message.content).toBe(whole.choices[0]?.message.content);
      expect(streamed.choices[0]?.finish_reason).toBe('stop');
      expect(whole.usage?.prompt_tokens).toBeGreaterThan(0);
    });

    it('answers Responses, whole and streamed alike', async () => {
      const whole = await openai.responses.create({ model, input: 'Say this is a test' });
      const streamed = await openai.responses.stream({ model, input: 'Say this is a test' }).finalResponse();
      expect(whole).toMatchObject({ model, object: 'response', status: 'completed' });
      expect(whole.output_text).not.toBe('');
      expect(streamed.output_text).toBe(whole.output_text);
      expect(streamed.usage?.output_tokens).toBe(whole.usage?.output_tokens);
    });

    it('answers Messages, whole and streamed alike', async () => {
      const request = {
        model,
        max_tokens: 512,
        messages: [{ role: 'user' as const, content: 'Say this is a test' }],
      };
      const whole = await anthropic.messages.create(request);
      const streamed = await anthropic.messages.stream(request).finalMessage();
      expect(whole).toMatchObject({ model, type: 'message', role: 'assistant', stop_reason: 'end_turn' });
      const text = (message: Anthropic.Message) =>
        message.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
      expect(text(whole)).not.toBe('');
      expect(text(streamed)).toBe(text(whole));
      expect(streamed.usage.output_tokens).toBe(whole.usage.output_tokens);
    });

    it('runs a tool loop over Chat Completions', async () => {
      const tools = [{ type: 'function' as const, function: { name: 'get_weather', parameters: schema } }];
      const question = { role: 'user' as const, content: QUESTION };
      const first = await openai.chat.completions
        .stream({ model, tools, tool_choice: 'required', messages: [question] })
        .finalChatCompletion();
      const message = first.choices[0]?.message;
      const call = message?.tool_calls?.[0];
      if (message === undefined || call?.type !== 'function') throw new Error('No tool call came');
      expect(first.choices[0]?.finish_reason).toBe('tool_calls');
      expect(JSON.parse(call.function.arguments)).toEqual({ city: expect.any(String) });
      const second = await openai.chat.completions.create({
        model,
        tools,
        messages: [
          question,
          message,
          { role: 'tool', tool_call_id: call.id, content: '18 degrees and sunny' },
        ],
      });
      expect(second.choices[0]?.message.content).toContain('18');
    });

    it('runs a tool loop over Responses', async () => {
      const tools = [{ type: 'function' as const, name: 'get_weather', parameters: schema, strict: false }];
      const first = await openai.responses
        .stream({ model, tools, tool_choice: 'required', input: QUESTION })
        .finalResponse();
      const call = first.output.find((item) => item.type === 'function_call');
      if (call === undefined) throw new Error('No tool call came');
      expect(JSON.parse(call.arguments)).toEqual({ city: expect.any(String) });
      const history = first.output.map(({ ...item }) => item) as OpenAI.Responses.ResponseInputItem[];
      const second = await openai.responses.create({
        model,
        tools,
        input: [
          { role: 'user', content: QUESTION },
          ...history,
          { type: 'function_call_output', call_id: call.call_id, output: '18 degrees and sunny' },
        ],
      });
      expect(second.output_text).toContain('18');
    });

    it('runs a tool loop over Messages', async () => {
      const tools = [{ name: 'get_weather', input_schema: schema }];
      const first = await anthropic.messages
        .stream({
          model,
          max_tokens: 512,
          tools,
          tool_choice: { type: 'any' },
          messages: [{ role: 'user', content: QUESTION }],
        })
        .finalMessage();
      const call = first.content.find((block) => block.type === 'tool_use');
      if (call === undefined) throw new Error('No tool call came');
      expect(first.stop_reason).toBe('tool_use');
      expect(call.input).toEqual({ city: expect.any(String) });
      const second = await anthropic.messages.create({
        model,
        max_tokens: 512,
        tools,
        messages: [
          { role: 'user', content: QUESTION },
          { role: 'assistant', content: first.content },
          {
            role: 'user',
            content: [{ type: 'tool_result', tool_use_id: call.id, content: '18 degrees and sunny' }],
          },
        ],
      });
      expect(second.content).toMatchObject([{ type: 'text', text: expect.stringContaining('18') }]);
    });

    // The sandbox refuses reasoning state that does not come back as it was.
    it.each(LOOPS)(
      'runs five steps of thinking and calling for a $client client, streamed: $stream',
      async ({ client, stream }) => {
        const target = { url: outside().product.access.dataPlaneUrl, secret: customer.apiKey };
        const conversation = openClient(target, client, stream, FIVE_STEPS);
        for (const city of CITIES) {
          const { calls } = await conversation.next(model);
          expect(calls.map((call) => call.arguments)).toEqual([{ city }]);
          conversation.giveResults(calls.map(({ id }) => ({ id, output: '18 degrees and sunny' })));
        }
        const last = await conversation.next(model);
        expect(last.calls).toEqual([]);
        expect(last.text).toContain('18');
      },
    );

    it('counts the tokens of a Messages request, marked where it is an estimate', async () => {
      const messages = [{ role: 'user' as const, content: 'Say this is a test '.repeat(50) }];
      const { data, response } = await anthropic.messages.countTokens({ model, messages }).withResponse();
      expect(data.input_tokens).toBeGreaterThan(150);
      expect(data.input_tokens).toBeLessThan(400);
      const isEstimate = response.headers.get('x-crossmodel-estimate') === 'true';
      // Anthropic and Gemini count themselves, and so does the sandbox in their place.
      expect(isEstimate).toBe(model === MODELS.chat || model === MODELS.responses);
    });

    it('refuses in the words of the dialect that was spoken', async () => {
      const missing = 'nobody/nothing';
      await expect(openai.responses.create({ model: missing, input: 'hi' })).rejects.toMatchObject({
        status: 404,
        code: 'model_not_found',
      });
      await expect(
        anthropic.messages.create({
          model: missing,
          max_tokens: 5,
          messages: [{ role: 'user', content: 'hi' }],
        }),
      ).rejects.toMatchObject({ status: 404, error: { type: 'error', error: { type: 'not_found_error' } } });
      expect(customer.apiKey).toMatch(/^cm-/);
    });
  });

  it.each(LOOPS)(
    'a conversation goes on with every next model where it was, for a $client client, streamed: $stream',
    async ({ client, stream }) => {
      const { apiKey } = await newCustomer(outside(), { rpmLimit: 1_000, tpmLimit: 10_000_000 });
      const target = { url: outside().product.access.dataPlaneUrl, secret: apiKey };
      const conversation = openClient(target, client, stream, FIVE_STEPS);
      const models = Object.values(MODELS);
      for (const [step, city] of CITIES.entries()) {
        const { calls } = await conversation.next(models[step] ?? '');
        expect(calls.map((call) => call.arguments)).toEqual([{ city }]);
        conversation.giveResults(calls.map(({ id }) => ({ id, output: '18 degrees and sunny' })));
      }
      for (const model of models) {
        const answer = await conversation.next(model);
        // Whatever it takes another question for, the conversation so far was no hindrance.
        expect(answer.text !== '' || answer.calls.length > 0).toBe(true);
        expect(answer.dropped).toBeTruthy();
        conversation.giveResults(answer.calls.map(({ id }) => ({ id, output: '20 degrees' })));
        if (answer.calls.length === 0) conversation.say('And again?');
      }
    },
  );
}
