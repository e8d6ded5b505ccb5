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
  const figures = [requestLimit, remainingRequests, tokenLimit, remainingTokens].map(String) as [
    string,
    string,
    string,
    string,
  ];
  const [requests, requestsLeft, tokens, tokensLeft] = figures;
  if (shape === 'openai')
    return [
      ...['x-ratelimit-limit-requests', requests, 'x-ratelimit-remaining-requests', requestsLeft],
      ...['x-ratelimit-reset-requests', durationText(standing.requestResetMs)],
      ...['x-ratelimit-limit-tokens', tokens, 'x-ratelimit-remaining-tokens', tokensLeft],
      ...['x-ratelimit-reset-tokens', durationText(standing.tokenResetMs)],
    ];
  return [
    ...['anthropic-ratelimit-requests-limit', requests],
    ...['anthropic-ratelimit-requests-remaining', requestsLeft],
    ...['anthropic-ratelimit-requests-reset', momentText(nowMs + standing.requestResetMs)],
    ...['anthropic-ratelimit-tokens-limit', tokens, 'anthropic-ratelimit-tokens-remaining', tokensLeft],
    ...['anthropic-ratelimit-tokens-reset', momentText(nowMs + standing.tokenResetMs)],
  ];
}

/** As OpenAI writes durations: `1m1s`, `59s`, `0s`. */
function durationText(ms: number): string {
  const seconds = Math.ceil(ms / MS_PER_SECOND);
  const minutes = Math.floor(seconds / SECONDS_PER_MINUTE);
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds % SECONDS_PER_MINUTE}s`;
}

/** RFC 3339, whole seconds, rounded up. */
function momentText(ms: number): string {
  const roundedMs = Math.ceil(ms / MS_PER_SECOND) * MS_PER_SECOND;
  return `${new Date(roundedMs).toISOString().slice(0, DATE_LENGTH)}Z`;
}
