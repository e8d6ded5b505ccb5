import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import {
  APICallError,
  generateText,
  isStepCount,
  type LanguageModel,
  type ModelMessage,
  Output,
  streamText,
  tool,
} from 'ai';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type ClientProduct, collect, MODELS, PIXEL_BASE64 } from './client-product.ts';

// Advice on models that the library does not know is no matter of these tests.
globalThis.AI_SDK_LOG_WARNINGS = false;

type ModelMaker = (model: string) => LanguageModel;

const TWO_CITIES = "What's the weather in Lisbon and Oslo?";
const ticket = z.object({ title: z.string(), kind: z.enum(['bug', 'feature']), points: z.number() });
/** Nothing is stored at providers, so a client has to send its history whole instead of by reference. */
const providerOptions = { openai: { store: false } };

function makers({ v1, apiKey }: ClientProduct, key = apiKey): Record<string, ModelMaker> {
  const openai = createOpenAI({ baseURL: v1, apiKey: key });
  const anthropic = createAnthropic({ baseURL: v1, apiKey: key });
  return {
    'openai.chat': (model) => openai.chat(model),
    'openai.responses': (model) => openai.responses(model),
    anthropic: (model) => anthropic(model),
  };
}

export function vercelAiCases(current: () => ClientProduct): void {
  describe.each(['openai.chat', 'openai.responses', 'anthropic'])('the Vercel AI SDK with %s', (provider) => {
    describe.each(Object.entries(MODELS))('and a provider of the protocol %s', (_, id) => {
      let model: LanguageModel;
      beforeAll(() => {
        model = makerOf(current(), provider)(id);
      });

      it('streams text to its end, with usage', async () => {
        const result = streamText({ model, prompt: 'Say this is a test', maxRetries: 0, providerOptions });
        const pieces = await collect(result.textStream);
        expect(pieces.length).toBeGreaterThan(1);
        expect(pieces.join('')).toContain('This is a test.');
        expect(await result.finishReason).toBe('stop');
        expect((await result.usage).outputTokens).toBeGreaterThan(0);
      });

      it.each(['whole', 'streamed'])('runs a loop of parallel tool calls, answers %s', async (form) => {
        const cities: string[] = [];
        const request = {
          model,
          prompt: TWO_CITIES,
          maxRetries: 0,
          providerOptions,
          stopWhen: isStepCount(4),
          tools: {
            get_weather: tool({
              description: 'Current weather of a city',
              inputSchema: z.object({ city: z.string() }),
              execute: ({ city }) => {
                cities.push(city);
                return { celsius: city.length };
              },
            }),
          },
        };
        const result = form === 'whole' ? await generateText(request) : streamText(request);
        if ('consumeStream' in result) await result.consumeStream();
        expect(await result.text).toMatch(/celsius: 6.*celsius: 4/s);
        expect(await result.steps).toHaveLength(2);
        expect(cities.sort()).toEqual(['Lisbon', 'Oslo']);
      });

      it('gives structured output', async () => {
        const { output } = await generateText({
          model,
          prompt: 'File a feature request',
          maxRetries: 0,
          providerOptions,
          output: Output.object({ schema: ticket }),
        });
        expect(ticket.parse(output).kind).toBe('feature');
      });

      it('sends an image', async () => {
        const { text } = await generateText({
          model,
          maxRetries: 0,
          providerOptions,
          messages: [
            {
              role: 'user',
              content: [
                { type: 'text', text: 'Describe the picture' },
                { type: 'file', data: PIXEL_BASE64, mediaType: 'image/png' },
              ],
            },
          ],
        });
        expect(text).toContain('1 attachment');
      });

      it.each([
        ['sandbox:error:429', 429, true],
        ['sandbox:error:500', 502, true],
      ])(
        'takes %s of the provider for a failure that can be tried again',
        async (prompt, statusCode, isRetryable) => {
          const error = await generateText({ model, prompt, maxRetries: 0, providerOptions }).then(
            () => undefined,
            (thrown: unknown) => thrown,
          );
          expect(APICallError.isInstance(error) && error).toMatchObject({ statusCode, isRetryable });
        },
      );
    });

    it('says which model or key is unknown', async () => {
      const ask = (model: LanguageModel) => generateText({ model, prompt: 'Hi', maxRetries: 0 });
      const wrongKey = makerOf(current(), provider, 'cm-wrong')(MODELS.chat);
      await expect(ask(makerOf(current(), provider)('nobody/nothing'))).rejects.toMatchObject({
        statusCode: 404,
      });
      await expect(ask(wrongKey)).rejects.toMatchObject({ statusCode: 401 });
    });
  });

  describe('the Vercel AI SDK with its defaults', () => {
    const talk = async (model: LanguageModel) => {
      const messages: ModelMessage[] = [{ role: 'user', content: 'Say this is a test' }];
      const first = await generateText({ model, messages, maxRetries: 0 });
      messages.push(...first.response.messages, { role: 'user', content: 'Say goodbye' });
      return generateText({ model, messages, maxRetries: 0 });
    };

    it('refers to earlier items of Responses, and is told that nothing is stored', async () => {
      const { v1, apiKey } = current();
      const talking = talk(createOpenAI({ baseURL: v1, apiKey }).responses(MODELS.chat));
      await expect(talking).rejects.toMatchObject({
        statusCode: 400,
        message: expect.stringContaining('store'),
      });
    });

    it.each(['openai.chat', 'anthropic'])('goes on with a conversation over %s', async (provider) => {
      expect((await talk(makerOf(current(), provider)(MODELS.gemini))).text).toContain('Goodbye');
    });
  });
}

function makerOf(product: ClientProduct, provider: string, key?: string): ModelMaker {
  const maker = makers(product, key)[provider];
  if (maker === undefined) throw new Error(`No provider ${provider}`);
  return maker;
}
