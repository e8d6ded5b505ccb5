import { networkOf } from '#shared/address-range.ts';

const NOTED_AGAIN_AFTER_MS = 60_000;
const MAX_KEYS = 10_000;

/**
 * Which network each key is used from, told once a minute and key: reading an address costs a call into the server and a
 * few objects, so other requests do without.
 */
export class CallerNetworks {
  readonly #notedAtMs = new Map<string, number>();

  /** The network of this request's client; `undefined` when the key's was told less than a minute ago. */
  note(apiKeyId: string, nowMs: number, address: () => string): string | undefined {
    const notedAtMs = this.#notedAtMs.get(apiKeyId);
    if (notedAtMs !== undefined && nowMs - notedAtMs < NOTED_AGAIN_AFTER_MS && nowMs >= notedAtMs)
      return undefined;
    if (this.#notedAtMs.size >= MAX_KEYS) this.#notedAtMs.clear();
    this.#notedAtMs.set(apiKeyId, nowMs);
    return networkOf(address());
  }
}
