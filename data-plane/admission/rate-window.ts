const WINDOW_SECONDS = 61;

/**
 * Requests and tokens of one key in 61 one-second buckets, inside this process: the limit that holds while Redis is away.
 * Buckets are reused in place; nothing is allocated per request.
 */
export class RateWindow {
  readonly #second = new Float64Array(WINDOW_SECONDS);
  readonly #requests = new Float64Array(WINDOW_SECONDS);
  readonly #tokens = new Float64Array(WINDOW_SECONDS);

  /** Takes one request and its tokens, or says which limit refuses it. */
  take(nowSecond: number, tokens: number, rpmLimit: number, tpmLimit: number): 'taken' | 'rpm' | 'tpm' {
    let requests = 0;
    let reserved = 0;
    for (let index = 0; index < WINDOW_SECONDS; index += 1) {
      if ((this.#second[index] ?? 0) <= nowSecond - WINDOW_SECONDS) continue;
      requests += this.#requests[index] ?? 0;
      reserved += this.#tokens[index] ?? 0;
    }
    if (requests + 1 > rpmLimit) return 'rpm';
    if (reserved + tokens > tpmLimit) return 'tpm';
    const bucket = nowSecond % WINDOW_SECONDS;
    if (this.#second[bucket] !== nowSecond) {
      this.#second[bucket] = nowSecond;
      this.#requests[bucket] = 0;
      this.#tokens[bucket] = 0;
    }
    this.#requests[bucket] = (this.#requests[bucket] ?? 0) + 1;
    this.#tokens[bucket] = (this.#tokens[bucket] ?? 0) + tokens;
    return 'taken';
  }
}
