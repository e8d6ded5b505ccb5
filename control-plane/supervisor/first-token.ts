import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '#shared/clock.ts';
import { type DevelopmentAccess, EXAMPLE_MODEL } from './newcomer-screen.ts';
import type { SupervisorSettings } from './settings.ts';

const REQUEST_TIMEOUT_MS = 5_000;
const PATIENCE_MS = 20_000;
const RETRY_MS = 100;
const CANDIDATES = [EXAMPLE_MODEL, 'openai/gpt-5-mini', 'anthropic/claude-sonnet-4.6'];

/**
 * Streams one completion with the demo key and says how long a newcomer had to wait for the first token since the command
 * was called. Only a model that the sandbox answers is asked: a real provider would charge for it.
 */
export async function measureFirstToken(
  settings: SupervisorSettings,
  access: DevelopmentAccess,
  redisInstallMs: number,
): Promise<string> {
  const model = CANDIDATES.find((id) => !settings.configuredVendors.includes(id.split('/')[0] ?? ''));
  if (model === undefined)
    return 'Time to first streamed token: not measured, because every example model has a real provider.';
  const problem = await streamWithPatience(access, model);
  if (problem !== undefined) return `The first request did not stream: ${problem}.`;
  const totalMs = systemClock.nowMs() - (settings.commandStartedAtMs ?? systemClock.nowMs());
  const downloadMs = settings.installMs + redisInstallMs;
  const inSeconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
  return `Time to first streamed token: ${inSeconds(totalMs)} (${inSeconds(totalMs - downloadMs)} without downloads, ${inSeconds(downloadMs)} of downloads).`;
}

/** The balances of a Redis that has just started are not lent out before every data plane has declared its own figures. */
async function streamWithPatience(access: DevelopmentAccess, model: string): Promise<string | undefined> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const problem = await streamFirstToken(access, model);
    if (problem === undefined || performance.now() >= deadlineMs) return problem;
    await delay(RETRY_MS);
  }
}

/** Resolves at the first content token; the answer is what went wrong, or undefined. The rest is read, but not waited for. */
async function streamFirstToken(access: DevelopmentAccess, model: string): Promise<string | undefined> {
  try {
    const response = await fetch(`${access.dataPlaneUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${access.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model,
        stream: true,
        max_tokens: 16,
        messages: [{ role: 'user', content: 'Hello' }],
      }),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    if (!response.ok || response.body === null) return `status ${response.status}`;
    return await firstContent(response.body);
  } catch (error) {
    return error instanceof Error ? error.message : 'the connection failed';
  }
}

function firstContent(body: ReadableStream<Uint8Array>): Promise<string | undefined> {
  return new Promise((resolve) => {
    const read = async (): Promise<void> => {
      const decoder = new TextDecoder();
      let heard = '';
      for await (const chunk of body) {
        heard += decoder.decode(chunk, { stream: true });
        if (/"content":"[^"]/.test(heard)) resolve(undefined);
      }
      resolve('it ended without a token');
    };
    read().catch((error: unknown) => resolve(error instanceof Error ? error.message : 'the stream broke'));
  });
}
