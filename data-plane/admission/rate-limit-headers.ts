import type { RateStanding } from './quotas.ts';

const MS_PER_SECOND = 1_000;
const SECONDS_PER_MINUTE = 60;
const DATE_LENGTH = 'yyyy-mm-ddThh:mm:ss'.length;

/**
 * The headers that tell a client where its key stands, as its SDK reads them. `reset` is when the whole limit is free again
 * if nothing more is asked: a duration for OpenAI's clients, a moment for Anthropic's.
 */
export function rateLimitHeaders(
  shape: 'openai' | 'anthropic',
  standing: RateStanding,
  nowMs: number,
): string[] {
  const { requestLimit, tokenLimit, remainingRequests, remainingTokens } = standing;
  const [requests, requestsLeft] = [`${requestLimit}`, `${remainingRequests}`];
  const [tokens, tokensLeft] = [`${tokenLimit}`, `${remainingTokens}`];
  const headers: string[] = [];
  if (shape === 'openai') {
    headers.push('x-ratelimit-limit-requests', requests, 'x-ratelimit-remaining-requests', requestsLeft);
    headers.push('x-ratelimit-reset-requests', durationText(standing.requestResetMs));
    headers.push('x-ratelimit-limit-tokens', tokens, 'x-ratelimit-remaining-tokens', tokensLeft);
    headers.push('x-ratelimit-reset-tokens', durationText(standing.tokenResetMs));
    return headers;
  }
  headers.push('anthropic-ratelimit-requests-limit', requests);
  headers.push('anthropic-ratelimit-requests-remaining', requestsLeft);
  headers.push('anthropic-ratelimit-requests-reset', momentText(nowMs + standing.requestResetMs));
  headers.push('anthropic-ratelimit-tokens-limit', tokens);
  headers.push('anthropic-ratelimit-tokens-remaining', tokensLeft);
  headers.push('anthropic-ratelimit-tokens-reset', momentText(nowMs + standing.tokenResetMs));
  return headers;
}

/** As OpenAI writes durations: `1m1s`, `59s`, `0s`. */
function durationText(ms: number): string {
  const seconds = Math.ceil(ms / MS_PER_SECOND);
  const minutes = Math.floor(seconds / SECONDS_PER_MINUTE);
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds % SECONDS_PER_MINUTE}s`;
}

/** The moment written last: a busy process says the same one thousands of times. */
let lastMomentMs = Number.NaN;
let lastMoment = '';

/** RFC 3339, whole seconds, rounded up. */
function momentText(ms: number): string {
  const roundedMs = Math.ceil(ms / MS_PER_SECOND) * MS_PER_SECOND;
  if (roundedMs !== lastMomentMs) {
    lastMoment = `${new Date(roundedMs).toISOString().slice(0, DATE_LENGTH)}Z`;
    lastMomentMs = roundedMs;
  }
  return lastMoment;
}
