const WINDOW_SECONDS = 61;
const MS_PER_SECOND = 1_000;

/** Which limit refuses, and when a retry fits. */
export interface WindowRefusal {
  readonly limit: 'rpm' | 'tpm';
  readonly retryAfterMs: number;
}

/**
 * Requests and tokens of one key in 61 one-second buckets, inside this process: the limit that holds while Redis is away.
 * Buckets are reused in place; nothing is allocated per admitted request.
 */
export class RateWindow {
  readonly #second = new Float64Array(WINDOW_SECONDS);
  readonly #requests = new Float64Array(WINDOW_SECONDS);
  readonly #tokens = new Float64Array(WINDOW_SECONDS);

  /** Takes one request and its tokens, or says which limit refuses it. `nowMs` is Unix time. */
  take(nowMs: number, tokens: number, rpmLimit: number, tpmLimit: number): WindowRefusal | undefined {
    const nowSecond = Math.floor(nowMs / MS_PER_SECOND);
    const requests = this.#used(this.#requests, nowSecond);
    if (requests + 1 > rpmLimit) return this.#refusal('rpm', nowMs, 1, rpmLimit);
    if (this.#used(this.#tokens, nowSecond) + tokens > tpmLimit)
      return this.#refusal('tpm', nowMs, tokens, tpmLimit);
    const bucket = nowSecond % WINDOW_SECONDS;
    if (this.#second[bucket] !== nowSecond) {
      this.#second[bucket] = nowSecond;
      this.#requests[bucket] = 0;
      this.#tokens[bucket] = 0;
    }
    this.#requests[bucket] = (this.#requests[bucket] ?? 0) + 1;
    this.#tokens[bucket] = (this.#tokens[bucket] ?? 0) + tokens;
    return undefined;
  }

  /** What is left of a limit. */
  remaining(kind: 'requests' | 'tokens', nowMs: number, limit: number): number {
    const used = this.#used(
      kind === 'requests' ? this.#requests : this.#tokens,
      Math.floor(nowMs / MS_PER_SECOND),
    );
    return Math.max(0, limit - used);
  }

  #used(amounts: Float64Array, nowSecond: number): number {
    let used = 0;
    for (let index = 0; index < WINDOW_SECONDS; index += 1)
      if ((this.#second[index] ?? 0) > nowSecond - WINDOW_SECONDS) used += amounts[index] ?? 0;
    return used;
  }

  #refusal(limit: 'rpm' | 'tpm', nowMs: number, wanted: number, most: number): WindowRefusal {
    const amounts = limit === 'rpm' ? this.#requests : this.#tokens;
    const nowSecond = Math.floor(nowMs / MS_PER_SECOND);
    let used = this.#used(amounts, nowSecond);
    for (let second = nowSecond - WINDOW_SECONDS + 1; second <= nowSecond; second += 1) {
      const bucket = second % WINDOW_SECONDS;
      if (this.#second[bucket] === second) used -= amounts[bucket] ?? 0;
      if (used + wanted <= most)
        return { limit, retryAfterMs: (second + WINDOW_SECONDS) * MS_PER_SECOND - nowMs };
    }
    return { limit, retryAfterMs: WINDOW_SECONDS * MS_PER_SECOND };
  }
}
