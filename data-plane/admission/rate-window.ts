const WINDOW_SECONDS = 61;
const MS_PER_SECOND = 1_000;

/** Which limit refuses, and when a retry fits. */
export interface WindowRefusal {
  readonly limit: 'rpm' | 'tpm';
  readonly retryAfterMs: number;
}

/**
 * Requests and tokens of one key in 61 one-second buckets, inside this process: the limit that holds while Redis is away.
 * It counts what was admitted by way of Redis too, so that an outage does not begin with an empty window, and what other
 * processes had taken at the last answer, less and less with its age. Buckets are reused in place; nothing is allocated per
 * admitted request.
 */
export class RateWindow {
  readonly #second = new Float64Array(WINDOW_SECONDS);
  readonly #requests = new Float64Array(WINDOW_SECONDS);
  readonly #tokens = new Float64Array(WINDOW_SECONDS);
  #elsewhereRequests = 0;
  #elsewhereTokens = 0;
  #elsewhereAtMs = Number.NEGATIVE_INFINITY;

  /** Counts what was admitted in, or corrects, the bucket of a Unix second. One that has left the window is ignored. */
  count(second: number, requests: number, tokens: number): void {
    const bucket = second % WINDOW_SECONDS;
    const known = this.#second[bucket] ?? 0;
    if (known > second) return;
    if (known < second) {
      this.#second[bucket] = second;
      this.#requests[bucket] = 0;
      this.#tokens[bucket] = 0;
    }
    this.#requests[bucket] = Math.max(0, (this.#requests[bucket] ?? 0) + requests);
    this.#tokens[bucket] = Math.max(0, (this.#tokens[bucket] ?? 0) + tokens);
  }

  /** Learns from an answer of Redis, which is counted here already, what all processes together have taken. */
  learn(nowMs: number, requestsInAll: number, tokensInAll: number): void {
    const nowSecond = Math.floor(nowMs / MS_PER_SECOND);
    this.#elsewhereRequests = Math.max(0, requestsInAll - this.#used(this.#requests, nowSecond));
    this.#elsewhereTokens = Math.max(0, tokensInAll - this.#used(this.#tokens, nowSecond));
    this.#elsewhereAtMs = nowMs;
  }

  /** True when, by all that is known here, at most a quarter of both limits is taken with this request. */
  isMostlyFree(nowMs: number, tokens: number, rpmLimit: number, tpmLimit: number): boolean {
    if (this.#elsewhereAtMs === Number.NEGATIVE_INFINITY) return false;
    return (
      (this.#taken('requests', nowMs) + 1) * 4 <= rpmLimit &&
      (this.#taken('tokens', nowMs) + tokens) * 4 <= tpmLimit
    );
  }

  /** Takes one request and its tokens, or says which limit refuses it. `nowMs` is Unix time. */
  take(nowMs: number, tokens: number, rpmLimit: number, tpmLimit: number): WindowRefusal | undefined {
    const nowSecond = Math.floor(nowMs / MS_PER_SECOND);
    if (this.#taken('requests', nowMs) + 1 > rpmLimit) return this.#refusal('rpm', nowMs, 1, rpmLimit);
    if (this.#taken('tokens', nowMs) + tokens > tpmLimit)
      return this.#refusal('tpm', nowMs, tokens, tpmLimit);
    this.count(nowSecond, 1, tokens);
    return undefined;
  }

  /** What is left of a limit. */
  remaining(kind: 'requests' | 'tokens', nowMs: number, limit: number): number {
    return Math.max(0, Math.floor(limit - this.#taken(kind, nowMs)));
  }

  /** Taken here, and elsewhere as far as known. */
  #taken(kind: 'requests' | 'tokens', nowMs: number): number {
    const own = kind === 'requests' ? this.#requests : this.#tokens;
    return this.#used(own, Math.floor(nowMs / MS_PER_SECOND)) + this.#elsewhere(kind, nowMs);
  }

  #elsewhere(kind: 'requests' | 'tokens', nowMs: number): number {
    const age = (nowMs - this.#elsewhereAtMs) / (WINDOW_SECONDS * MS_PER_SECOND);
    const known = kind === 'requests' ? this.#elsewhereRequests : this.#elsewhereTokens;
    return known === 0 ? 0 : known * Math.min(1, Math.max(0, 1 - age));
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
    let used = this.#taken(limit === 'rpm' ? 'requests' : 'tokens', nowMs);
    for (let second = nowSecond - WINDOW_SECONDS + 1; second <= nowSecond; second += 1) {
      const bucket = second % WINDOW_SECONDS;
      if (this.#second[bucket] === second) used -= amounts[bucket] ?? 0;
      if (used + wanted <= most)
        return { limit, retryAfterMs: (second + WINDOW_SECONDS) * MS_PER_SECOND - nowMs };
    }
    return { limit, retryAfterMs: WINDOW_SECONDS * MS_PER_SECOND };
  }
}
