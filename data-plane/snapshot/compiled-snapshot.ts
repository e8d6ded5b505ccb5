import type { PriceVersion } from '#shared/price.ts';
import type { SnapshotAccount, SnapshotKey, SnapshotModel } from '#shared/snapshot.ts';
import type { ProviderProtocol } from '#shared/usage-record.ts';

/** An upstream ready to be called: its credential is in the clear, in this process's memory only. */
export interface CompiledUpstream {
  readonly id: string;
  readonly name: string;
  readonly vendor: string;
  readonly protocol: ProviderProtocol;
  /** `https://host[:port]`. */
  readonly origin: string;
  /** Path of the base URL, without a trailing slash (`/v1`). */
  readonly basePath: string;
  /** `null`: the upstream asks for no credential. */
  readonly credential: string | null;
  readonly sandbox: boolean;
}

export interface CompiledRoute {
  readonly upstream: CompiledUpstream;
  readonly providerModel: string;
  readonly weight: number;
  readonly priority: number;
}

export interface CompiledModel {
  readonly config: SnapshotModel;
  readonly prices: readonly PriceVersion[];
  /** Sorted by priority, lowest first. Empty: the model is known but nothing can serve it. */
  readonly routes: readonly CompiledRoute[];
}

export interface CompiledKey {
  readonly config: SnapshotKey;
  /** Exact aliases: requested name → catalog id. */
  readonly exactAliases: ReadonlyMap<string, string>;
  /** Prefix aliases, longest first. */
  readonly prefixAliases: readonly { readonly prefix: string; readonly model: string }[];
}

/** What the request path reads: lookups in memory, no I/O. */
export interface CompiledSnapshot {
  /** Last change applied. */
  readonly sequence: number;
  /** True while it is a copy that nobody has confirmed yet: what it does not know may exist all the same. */
  readonly mayLackNewest: boolean;
  findKey(digest: string): CompiledKey | undefined;
  findAccount(accountId: string): SnapshotAccount | undefined;
  /** Listed and hidden models; a retired one is not found. */
  findModel(modelId: string): CompiledModel | undefined;
  /** Models to show in lists, sorted by id. */
  readonly listedModels: readonly CompiledModel[];
}

/** Where the request path gets the current snapshot. A request keeps the one it began with for catalog lookups. */
export interface SnapshotSource {
  current(): CompiledSnapshot;
  /** Ms since this process last heard from the publisher that it is up to date. */
  ageMs(): number;
}
