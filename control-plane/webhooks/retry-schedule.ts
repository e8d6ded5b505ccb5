/** How long after each failed try the next one comes, before jitter: 11 tries over about a day. */
const RETRY_DELAYS_S = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 28_800] as const;
export const MAX_DELIVERY_ATTEMPTS = RETRY_DELAYS_S.length + 1;
/** Each pause is up to this part longer or shorter, so that what failed together does not come back together. */
const JITTER = 0.2;
/** As long as this we wait if the receiver asks for it. */
const MAX_RETRY_AFTER_S = 3_600;
const MS_PER_S = 1_000;

/**
 * How long to wait after the `attempts`-th try failed, ms; `undefined`: there is none left. `random` is from 0 to 1;
 * `retryAfterS` is what the receiver asked for.
 */
export function retryDelayMs(
  attempts: number,
  random: number,
  retryAfterS: number | undefined,
): number | undefined {
  const delay = RETRY_DELAYS_S[attempts - 1];
  if (delay === undefined) return undefined;
  const jittered = delay * (1 + JITTER * (2 * random - 1));
  return Math.round(Math.max(jittered, Math.min(retryAfterS ?? 0, MAX_RETRY_AFTER_S)) * MS_PER_S);
}

/** Seconds in a `retry-after` header; dates and nonsense count as none. */
export function readRetryAfterS(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) : undefined;
}
