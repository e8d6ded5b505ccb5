import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

/** The official clients, answered with bytes of our choosing. */
export function openAiClient(bytes: Buffer, contentType: ContentType): OpenAI {
  return new OpenAI({ apiKey: 'not-a-key', maxRetries: 0, fetch: async () => response(bytes, contentType) });
}

export function anthropicClient(bytes: Buffer, contentType: ContentType): Anthropic {
  return new Anthropic({
    apiKey: 'not-a-key',
    maxRetries: 0,
    fetch: async () => response(bytes, contentType),
  });
}

export type ContentType = 'text/event-stream' | 'application/json';

function response(bytes: Buffer, contentType: ContentType): Response {
  return new Response(new Uint8Array(bytes), { headers: { 'content-type': contentType } });
}
