import { ChatAnthropic } from '@langchain/anthropic';
import { HumanMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { createAgent, tool } from 'langchain';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type ClientProduct, collect, MODELS, PIXEL_BASE64 } from './client-product.ts';

const ticket = z.object({ title: z.string(), kind: z.enum(['bug', 'feature']) });
const CLIENTS = ['ChatOpenAI', 'ChatOpenAI with Responses', 'ChatAnthropic'] as const;
type Client = (typeof CLIENTS)[number];

function chatModel(client: Client, { v1, host, apiKey }: ClientProduct, model: string, key = apiKey) {
  if (client === 'ChatAnthropic')
    return new ChatAnthropic({ model, apiKey: key, anthropicApiUrl: host, maxRetries: 0, maxTokens: 1024 });
  return new ChatOpenAI({
    model,
    apiKey: key,
    configuration: { baseURL: v1 },
    maxRetries: 0,
    useResponsesApi: client === 'ChatOpenAI with Responses',
  });
}

export function langchainCases(current: () => ClientProduct): void {
  describe.each(CLIENTS)('LangChain with %s', (client) => {
    describe.each(Object.entries(MODELS))('and a provider of the protocol %s', (_, id) => {
      let model: ReturnType<typeof chatModel>;
      beforeAll(() => {
        model = chatModel(client, current(), id);
      });

      it('streams text that adds up to the whole, with usage', async () => {
        const chunks = await collect(await model.stream('Say this is a test'));
        expect(chunks.length).toBeGreaterThan(2);
        expect(chunks.map((chunk) => chunk.text).join('')).toContain('This is a test.');
        const outputTokens = chunks.map((chunk) => outputTokensOf(chunk.usage_metadata));
        expect(Math.max(...outputTokens)).toBeGreaterThan(0);
      });

      it.each(['whole', 'streamed'])(
        'runs an agent through parallel tool calls, answers %s',
        async (form) => {
          const cities: string[] = [];
          const getWeather = tool(
            ({ city }: { city: string }) => {
              cities.push(city);
              return `${city.length} degrees`;
            },
            {
              name: 'get_weather',
              description: 'Current weather of a city',
              schema: z.object({ city: z.string() }),
            },
          );
          const agent = createAgent({ model, tools: [getWeather], systemPrompt: 'You tell the weather.' });
          const asked = { messages: [new HumanMessage("What's the weather in Lisbon and Oslo?")] };
          const states =
            form === 'whole'
              ? [await agent.invoke(asked)]
              : await collect(await agent.stream(asked, { streamMode: 'values' }));
          expect(states.at(-1)?.messages.at(-1)?.text).toMatch(/6 degrees.*4 degrees/s);
          expect(cities.sort()).toEqual(['Lisbon', 'Oslo']);
        },
      );

      it('gives structured output', async () => {
        const answer = await model.withStructuredOutput(ticket).invoke('File a feature request');
        expect(ticket.parse(answer).kind).toBe('feature');
      });

      it('sends an image', async () => {
        const url = `data:image/png;base64,${PIXEL_BASE64}`;
        const answer = await model.invoke([
          new HumanMessage({
            content: [
              { type: 'text', text: 'Describe the picture' },
              { type: 'image_url', image_url: { url } },
            ],
          }),
        ]);
        expect(answer.text).toContain('1 attachment');
      });

      it.each([
        ['sandbox:error:429', 429],
        ['sandbox:error:500', 502],
      ])('throws on %s of the provider', async (text, status) => {
        await expect(model.invoke(text)).rejects.toMatchObject({ status });
      });
    });

    it('says which model or key is unknown', async () => {
      await expect(chatModel(client, current(), 'nobody/nothing').invoke('Hi')).rejects.toMatchObject({
        status: 404,
      });
      const stranger = chatModel(client, current(), MODELS.chat, 'cm-wrong');
      await expect(stranger.invoke('Hi')).rejects.toMatchObject({ status: 401 });
    });
  });
}

function outputTokensOf(usage: { readonly output_tokens: number } | undefined): number {
  return usage?.output_tokens ?? 0;
}
