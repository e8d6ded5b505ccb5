import Anthropic from '@anthropic-ai/sdk';
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod';
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod';
import OpenAI from 'openai';
import { zodFunction, zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type ClientProduct, MODELS, PIXEL_BASE64 } from './client-product.ts';

const QUESTION = "What's the weather in Lisbon and Oslo?";
const ticket = z.object({ title: z.string(), kind: z.enum(['bug', 'feature']) });
const place = z.object({ city: z.string() });
const degreesIn = ({ city }: z.infer<typeof place>): string => `${city.length} degrees`;

export function officialSdkCases(current: () => ClientProduct): void {
  describe.each(Object.entries(MODELS))('the official SDKs and a provider of the protocol %s', (_, model) => {
    let openai: OpenAI;
    let anthropic: Anthropic;
    beforeAll(() => {
      const { v1, host, apiKey } = current();
      openai = new OpenAI({ baseURL: v1, apiKey, maxRetries: 0 });
      anthropic = new Anthropic({ baseURL: host, apiKey, maxRetries: 0 });
    });

    it("run tools by OpenAI's chat runner, streamed, in parallel", async () => {
      const runner = openai.chat.completions.runTools({
        model,
        stream: true,
        messages: [{ role: 'user', content: QUESTION }],
        tools: [zodFunction({ name: 'get_weather', parameters: place, function: degreesIn })],
      });
      expect(await runner.finalContent()).toMatch(/6 degrees.*4 degrees/s);
    });

    it("run tools by Anthropic's tool runner, also when it asks for a thread", async () => {
      const message = await anthropic.beta.messages.toolRunner({
        model,
        max_tokens: 1024,
        messages: [{ role: 'user', content: QUESTION }],
        tools: [
          betaZodTool({ name: 'get_weather', description: 'Weather', inputSchema: place, run: degreesIn }),
        ],
      });
      const text = message.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
      expect(text).toMatch(/6 degrees.*4 degrees/s);
    });

    it('parse structured output in all three dialects', async () => {
      const messages = [{ role: 'user' as const, content: 'File a feature request' }];
      const chat = await openai.chat.completions.parse({
        model,
        messages,
        response_format: zodResponseFormat(ticket, 'ticket'),
      });
      const response = await openai.responses.parse({
        model,
        input: messages,
        text: { format: zodTextFormat(ticket, 'ticket') },
      });
      const message = await anthropic.messages.parse({
        model,
        max_tokens: 1024,
        messages,
        output_config: { format: zodOutputFormat(ticket) },
      });
      expect(chat.choices[0]?.message.parsed?.kind).toBe('feature');
      expect(response.output_parsed?.kind).toBe('feature');
      expect(message.parsed_output?.kind).toBe('feature');
    });

    it('send images in all three dialects', async () => {
      const image = `data:image/png;base64,${PIXEL_BASE64}`;
      const text = 'Describe the picture';
      const chat = await openai.chat.completions.create({
        model,
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text },
              { type: 'image_url', image_url: { url: image } },
            ],
          },
        ],
      });
      const response = await openai.responses.create({
        model,
        input: [
          {
            role: 'user',
            content: [
              { type: 'input_text', text },
              { type: 'input_image', image_url: image, detail: 'auto' },
            ],
          },
        ],
      });
      const message = await anthropic.messages.create({
        model,
        max_tokens: 1024,
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text },
              { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL_BASE64 } },
            ],
          },
        ],
      });
      expect(chat.choices[0]?.message.content).toContain('1 attachment');
      expect(response.output_text).toContain('1 attachment');
      expect(JSON.stringify(message.content)).toContain('1 attachment');
    });

    it.each([
      ['sandbox:error:429', OpenAI.RateLimitError, Anthropic.RateLimitError],
      ['sandbox:error:500', OpenAI.InternalServerError, Anthropic.InternalServerError],
      ['sandbox:error:stream', OpenAI.APIError, Anthropic.APIError],
      ['sandbox:error:reset', OpenAI.APIError, Anthropic.APIError],
    ])('throw their own errors on %s in a stream', async (content, openaiError, anthropicError) => {
      const messages = [{ role: 'user' as const, content }];
      const chat = openai.chat.completions.stream({ model, messages }).finalChatCompletion();
      const response = openai.responses.stream({ model, input: content }).finalResponse();
      const message = anthropic.messages.stream({ model, max_tokens: 1024, messages }).finalMessage();
      const [ofChat, ofResponses, ofMessages] = await Promise.allSettled([chat, response, message]);
      expect(ofChat.status === 'rejected' && ofChat.reason).toBeInstanceOf(openaiError);
      expect(ofResponses.status === 'rejected' && ofResponses.reason).toBeInstanceOf(OpenAI.OpenAIError);
      expect(ofMessages.status === 'rejected' && ofMessages.reason).toBeInstanceOf(anthropicError);
    });
  });
}
