/** A correction of one bucket: what was taken and not used, or used and not taken. */
interface Correction {
  requests: number;
  tokens: number;
}

/** A slice is valid for this long after it was asked for; Redis counts it until a second after that. */
export const RATE_SLICE_MS = 1_000;
/** Renewed when less than this is left of its time or of its requests. */
const RENEW_BEFORE_MS = 400;
const RENEW_BELOW = 0.4;
/** Corrections wait while Redis is away; those of seconds that have left every window are of no use. */
const MOST_SECONDS = 130;

/** Requests and tokens of one key that this process may admit without asking, and what is to be corrected in Redis. */
export class RateSlice {
  requests = 0;
  tokens = 0;
  /** Unix second whose buckets carry the slice. */
  second = 0;
  /** Left to everybody at the last answer of Redis. */
  remainingRequests = 0;
  remainingTokens = 0;
  #expiresAtMs = 0;
  #granted = 0;
  #corrections = new Map<number, Correction>();

  /** Takes one request with its tokens, or nothing. */
  take(nowMs: number, tokens: number): boolean {
    if (nowMs >= this.#expiresAtMs || this.requests < 1 || this.tokens < tokens) return false;
    this.requests -= 1;
    this.tokens -= tokens;
    return true;
  }

  /** True when the next slice should be on its way. */
  isLow(nowMs: number): boolean {
    return nowMs > this.#expiresAtMs - RENEW_BEFORE_MS || this.requests < this.#granted * RENEW_BELOW;
  }

  /** Puts a new slice in the place of the old one, whose rest goes back. */
  replace(second: number, requests: number, tokens: number, expiresAtMs: number): void {
    this.dropUnused();
    this.second = second;
    this.requests = requests;
    this.tokens = tokens;
    this.#granted = requests;
    this.#expiresAtMs = expiresAtMs;
  }

  /** Gives back what is left of a slice that has expired or been replaced. */
  dropUnused(): void {
    if (this.requests > 0 || this.tokens > 0) this.correct(this.second, -this.requests, -this.tokens);
    this.requests = 0;
    this.tokens = 0;
  }

  hasExpired(nowMs: number): boolean {
    return this.requests + this.tokens > 0 && nowMs >= this.#expiresAtMs;
  }

  correct(second: number, requests: number, tokens: number): void {
    if (requests === 0 && tokens === 0) return;
    const known = this.#corrections.get(second);
    if (known === undefined) {
      this.#corrections.set(second, { requests, tokens });
      const [oldest] = this.#corrections.keys();
      if (this.#corrections.size > MOST_SECONDS && oldest !== undefined) this.#corrections.delete(oldest);
    } else {
      known.requests += requests;
      known.tokens += tokens;
    }
  }

  get hasCorrections(): boolean {
    return this.#corrections.size > 0;
  }

  /** What is to be corrected since the last call: second, requests and tokens, again and again. */
  takeCorrections(): number[] {
    const flat: number[] = [];
    for (const [second, { requests, tokens }] of this.#corrections) flat.push(second, requests, tokens);
    this.#corrections.clear();
    return flat;
  }
}
