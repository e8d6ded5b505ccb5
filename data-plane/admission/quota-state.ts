import type { CompiledKey } from '#data-plane/snapshot/compiled-snapshot.ts';
import { KeyQuota, type WalletKind } from './key-quota.ts';
import { WalletSlice } from './wallet-slice.ts';

/** Long enough for busy traffic to go on through a short outage of Redis. */
const MONEY_HORIZON_SECONDS = 10;
/** Requests in flight come back soon, and are scarce. */
const SLOT_HORIZON_SECONDS = 0.2;

/**
 * The keys and wallets that this process has to do with. A wallet's counters are kept as long as the process lives, because
 * they only grow; a key that rests is forgotten.
 */
export class QuotaState {
  readonly #slices = new Map<string, WalletSlice>();
  readonly #keys = new Map<string, KeyQuota>();
  readonly #active = new Set<KeyQuota>();

  get activeKeys(): Iterable<KeyQuota> {
    return this.#active;
  }

  slices(): Iterable<WalletSlice> {
    return this.#slices.values();
  }

  slice(name: string): WalletSlice | undefined {
    return this.#slices.get(name);
  }

  /** The key's limits, brought up to date. `nowMs` is Unix time. */
  keyOf(key: CompiledKey, nowMs: number): KeyQuota {
    let quota = this.#keys.get(key.config.id);
    if (quota === undefined) {
      quota = new KeyQuota(key, this.#sliceOf);
      this.#keys.set(key.config.id, quota);
    }
    if (!quota.isActive) this.activate(quota);
    const formerBudget = quota.refresh(key, nowMs);
    // Nobody takes from the budget of a past period; what is still held from it is settled through its hold.
    if (formerBudget !== undefined) this.#slices.delete(formerBudget);
    return quota;
  }

  activate(key: KeyQuota): void {
    key.isActive = true;
    this.#active.add(key);
  }

  /** Observes all active keys and their wallets, and lets those rest of which nothing was asked for a while. */
  observe(elapsedMs: number, nowMs: number, mayForget: boolean): void {
    const sliced = new Map<WalletSlice, boolean>();
    for (const key of this.#active) {
      key.observe(elapsedMs, nowMs);
      for (const { slice } of key.allUses()) sliced.set(slice, key.isSliced || sliced.get(slice) === true);
    }
    for (const [slice, isSliced] of sliced) slice.observe(elapsedMs, isSliced, nowMs);
    if (!mayForget) return;
    for (const key of this.#active) {
      if (!key.atRest) continue;
      key.isActive = false;
      this.#active.delete(key);
      if (this.#keys.get(key.id) === key) this.#keys.delete(key.id);
    }
  }

  /** The limits inside this process begin anew with the next outage. */
  forgetOutage(): void {
    for (const key of this.#keys.values()) key.forgetOutage();
  }

  readonly #sliceOf = (name: string, kind: WalletKind): WalletSlice => {
    let slice = this.#slices.get(name);
    if (slice === undefined) {
      const isMoney = kind === 'balance' || kind === 'budget';
      slice = new WalletSlice(name, isMoney ? MONEY_HORIZON_SECONDS : SLOT_HORIZON_SECONDS);
      this.#slices.set(name, slice);
    }
    return slice;
  };
}
