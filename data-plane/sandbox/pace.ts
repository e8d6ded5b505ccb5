import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '#shared/clock.ts';

/** How fast the sandbox seems to think. Zero ms and infinite speed make it answer at once. */
export interface PaceSettings {
  readonly firstTokenMs: number;
  readonly tokensPerSecond: number;
}

export interface Pace {
  /** Resolves when the first token is due. Rejects with an AbortError when `signal` fires. */
  waitForFirstToken(signal: AbortSignal): Promise<void>;
  /** Resolves when `tokens` tokens after the first are due; late calls resolve at once and catch up. */
  waitForTokens(tokens: number, signal: AbortSignal): Promise<void>;
}

export function startPace(settings: PaceSettings, clock: Clock): Pace {
  const startedAtMs = clock.monotonicMs();
  const waitUntil = async (dueAfterMs: number, signal: AbortSignal): Promise<void> => {
    const leftMs = startedAtMs + dueAfterMs - clock.monotonicMs();
    if (leftMs >= 1) await sleep(leftMs, undefined, { signal });
    else signal.throwIfAborted();
  };
  return {
    waitForFirstToken: (signal) => waitUntil(settings.firstTokenMs, signal),
    waitForTokens: (tokens, signal) =>
      waitUntil(settings.firstTokenMs + (tokens / settings.tokensPerSecond) * 1000, signal),
  };
}
