import { Agent, OpenAIProvider, Runner, tool } from '@openai/agents';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type ClientProduct, collect, MODELS, PIXEL_BASE64 } from './client-product.ts';

const ticket = z.object({ title: z.string(), kind: z.enum(['bug', 'feature']) });

function runnerFor({ v1, apiKey }: ClientProduct, useResponses: boolean, key = apiKey): Runner {
  // Its own client, so that nothing of the environment and no retry plays a part.
  const openAIClient = new OpenAI({ baseURL: v1, apiKey: key, maxRetries: 0 });
  const modelProvider = new OpenAIProvider({ openAIClient, useResponses });
  return new Runner({ modelProvider, tracingDisabled: true });
}

function weatherAgent(model: string, cities: string[]): Agent {
  const getWeather = tool({
    name: 'get_weather',
    description: 'Current weather of a city',
    parameters: z.object({ city: z.string() }),
    execute: ({ city }) => {
      cities.push(city);
      return `${city.length} degrees`;
    },
  });
  return new Agent({ name: 'Forecaster', instructions: 'You tell the weather.', model, tools: [getWeather] });
}

export function openaiAgentsCases(current: () => ClientProduct): void {
  describe.each([
    ['responses', true],
    ['chat', false],
  ])('the OpenAI Agents SDK over %s', (_, useResponses) => {
    describe.each(Object.entries(MODELS))('and a provider of the protocol %s', (_protocol, model) => {
      it('runs a loop of parallel tool calls to its final output', async () => {
        const cities: string[] = [];
        const agent = weatherAgent(model, cities);
        const result = await runnerFor(current(), useResponses).run(
          agent,
          "What's the weather in Lisbon and Oslo?",
        );
        expect(result.finalOutput).toMatch(/6 degrees.*4 degrees/s);
        expect(cities.sort()).toEqual(['Lisbon', 'Oslo']);
      });

      it('streams such a loop', async () => {
        const cities: string[] = [];
        const agent = weatherAgent(model, cities);
        const result = await runnerFor(current(), useResponses).run(agent, "What's the weather in Lisbon?", {
          stream: true,
        });
        const pieces = await collect(result.toTextStream() as AsyncIterable<string>);
        await result.completed;
        expect(pieces.join('')).toContain('6 degrees');
        expect(result.finalOutput).toContain('6 degrees');
        expect(cities).toEqual(['Lisbon']);
      });

      it('goes on with the history of a run', async () => {
        const agent = weatherAgent(model, []);
        const runner = runnerFor(current(), useResponses);
        const first = await runner.run(agent, "What's the weather in Lisbon?");
        const second = await runner.run(agent, [...first.history, { role: 'user', content: 'Say goodbye' }]);
        expect(second.finalOutput).toContain('Goodbye');
      });

      it('hands over to another agent', async () => {
        const forecaster = weatherAgent(model, []);
        const triage = Agent.create({ name: 'Triage', model, handoffs: [forecaster] });
        const result = await runnerFor(current(), useResponses).run(
          triage,
          'sandbox:call:transfer_to_Forecaster {}',
        );
        expect(result.lastAgent?.name).toBe('Forecaster');
      });

      it('gives structured output', async () => {
        const agent = new Agent({ name: 'Clerk', model, outputType: ticket });
        const { finalOutput } = await runnerFor(current(), useResponses).run(agent, 'File a feature request');
        expect(ticket.parse(finalOutput).kind).toBe('feature');
      });

      it('sends an image', async () => {
        const image = `data:image/png;base64,${PIXEL_BASE64}`;
        const agent = new Agent({ name: 'Viewer', model });
        const { finalOutput } = await runnerFor(current(), useResponses).run(agent, [
          {
            role: 'user',
            content: [
              { type: 'input_text', text: 'Describe the picture' },
              { type: 'input_image', image },
            ],
          },
        ]);
        expect(finalOutput).toContain('1 attachment');
      });

      it.each([
        ['sandbox:error:429', 429],
        ['sandbox:error:500', 502],
      ])('throws on %s of the provider', async (input, status) => {
        const agent = new Agent({ name: 'Caller', model });
        await expect(runnerFor(current(), useResponses).run(agent, input)).rejects.toMatchObject({ status });
      });
    });

    it('says which model or key is unknown', async () => {
      const ask = (model: string, key?: string) =>
        runnerFor(current(), useResponses, key).run(new Agent({ name: 'Caller', model }), 'Hi');
      await expect(ask('nobody/nothing')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
      await expect(ask(MODELS.chat, 'cm-wrong')).rejects.toMatchObject({
        status: 401,
        code: 'invalid_api_key',
      });
    });
  });
}
