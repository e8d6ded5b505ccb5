import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

export interface OfficialClients {
  readonly openAi: OpenAI;
  readonly anthropic: Anthropic;
}

/** The official clients, answered with bytes of our choosing. */
export function clientsAnswered(
  bytes: Buffer,
  contentType: 'text/event-stream' | 'application/json',
): OfficialClients {
  const fetch = async () => new Response(new Uint8Array(bytes), { headers: { 'content-type': contentType } });
  const options = { apiKey: 'not-a-key', maxRetries: 0, fetch };
  return { openAi: new OpenAI(options), anthropic: new Anthropic(options) };
}

/** The official clients at a running gateway. */
export function clientsAt(url: string, apiKey: string): OfficialClients {
  return {
    openAi: new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries: 0 }),
    anthropic: new Anthropic({ apiKey, baseURL: url, maxRetries: 0 }),
  };
}
