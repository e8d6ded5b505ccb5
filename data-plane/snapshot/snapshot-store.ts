import { SEAL_PURPOSES, type SealingKey, unseal } from '#shared/sealed-secret.ts';
import {
  SHARD_COUNT,
  type SnapshotAccount,
  type SnapshotCatalog,
  type SnapshotChange,
  type SnapshotKey,
  type SnapshotShard,
  type SnapshotUpstream,
  shardOf,
} from '#shared/snapshot.ts';
import type { CompiledKey, CompiledModel, CompiledSnapshot, CompiledUpstream } from './compiled-snapshot.ts';

const NO_EXACT_ALIASES: ReadonlyMap<string, string> = new Map();
const NO_PREFIX_ALIASES: CompiledKey['prefixAliases'] = [];

/**
 * The snapshot in the shape that the request path reads, kept current change by change. Parts carry the sequence they were
 * built at, so that a change older than its part is recognised and skipped.
 */
export class SnapshotStore implements CompiledSnapshot {
  sequence = 0;
  readonly #sealingKey: SealingKey;
  /** By the digest of the key, and by that of the secret before its last rotation. */
  readonly #keysByDigest = new Map<string, CompiledKey>();
  readonly #digestByKeyId = new Map<string, string>();
  readonly #accounts = new Map<string, SnapshotAccount>();
  readonly #shardSequences: number[] = new Array<number>(SHARD_COUNT).fill(0);
  #catalog: SnapshotCatalog = { models: [], upstreams: [] };
  #catalogSequence = 0;
  #models: ReadonlyMap<string, CompiledModel> = new Map();
  #listedModels: readonly CompiledModel[] = [];

  constructor(sealingKey: SealingKey) {
    this.#sealingKey = sealingKey;
  }

  findKey(digest: string): CompiledKey | undefined {
    return this.#keysByDigest.get(digest);
  }

  findAccount(accountId: string): SnapshotAccount | undefined {
    return this.#accounts.get(accountId);
  }

  findModel(modelId: string): CompiledModel | undefined {
    return this.#models.get(modelId);
  }

  get listedModels(): readonly CompiledModel[] {
    return this.#listedModels;
  }

  /** Throws when a credential cannot be opened with this process's key: a snapshot that cannot serve is refused whole. */
  loadCatalog(catalog: SnapshotCatalog, sequence: number): void {
    const upstreams = new Map(
      catalog.upstreams.map((upstream) => [upstream.id, this.#compileUpstream(upstream)]),
    );
    const models = new Map<string, CompiledModel>();
    for (const config of catalog.models) {
      if (config.status === 'retired') continue;
      const routes = config.routes.flatMap((route) => {
        const upstream = upstreams.get(route.upstreamId);
        return upstream === undefined ? [] : [{ ...route, upstream }];
      });
      routes.sort((left, right) => left.priority - right.priority);
      models.set(config.id, { config, prices: config.prices, routes });
    }
    this.#models = models;
    this.#listedModels = [...models.values()]
      .filter((model) => model.config.status === 'listed')
      .sort((left, right) => (left.config.id < right.config.id ? -1 : 1));
    this.#catalog = catalog;
    this.#catalogSequence = sequence;
  }

  loadShard(shard: number, body: SnapshotShard, sequence: number): void {
    for (const account of body.accounts) this.#accounts.set(account.id, account);
    for (const key of body.keys) this.#putKey(key);
    this.#shardSequences[shard] = sequence;
  }

  /** Applies one change unless the part it belongs to already contains it. */
  apply(change: SnapshotChange, sequence: number): void {
    if (change.kind === 'catalog') {
      if (sequence > this.#catalogSequence) this.loadCatalog(change.catalog, sequence);
      return;
    }
    if (sequence <= (this.#shardSequences[shardOf(change.id)] ?? 0)) return;
    if (change.kind === 'account') {
      if (change.account) this.#accounts.set(change.id, change.account);
      else this.#accounts.delete(change.id);
    } else if (change.key) this.#putKey(change.key);
    else this.#removeKey(change.id);
  }

  /** The state as snapshot parts, for the copy on disk. */
  export(): { catalog: SnapshotCatalog; shards: SnapshotShard[] } {
    const shards = Array.from({ length: SHARD_COUNT }, () => ({
      accounts: [] as SnapshotAccount[],
      keys: [] as SnapshotKey[],
    }));
    for (const account of this.#accounts.values()) shards[shardOf(account.id)]?.accounts.push(account);
    for (const [digest, { config }] of this.#keysByDigest)
      if (digest === config.digest) shards[shardOf(config.id)]?.keys.push(config);
    return { catalog: this.#catalog, shards };
  }

  #putKey(config: SnapshotKey): void {
    this.#removeKey(config.id);
    const key = compileKey(config);
    this.#digestByKeyId.set(config.id, config.digest);
    this.#keysByDigest.set(config.digest, key);
    if (config.previousSecret !== undefined) this.#keysByDigest.set(config.previousSecret.digest, key);
  }

  #removeKey(keyId: string): void {
    const digest = this.#digestByKeyId.get(keyId);
    if (digest === undefined) return;
    const previous = this.#keysByDigest.get(digest)?.config.previousSecret?.digest;
    this.#digestByKeyId.delete(keyId);
    this.#keysByDigest.delete(digest);
    if (previous !== undefined) this.#keysByDigest.delete(previous);
  }

  #compileUpstream(upstream: SnapshotUpstream): CompiledUpstream {
    const url = new URL(upstream.baseUrl);
    const sealed = upstream.sealedCredential;
    return {
      id: upstream.id,
      name: upstream.name,
      vendor: upstream.vendor,
      protocol: upstream.protocol,
      origin: url.origin,
      basePath: url.pathname.replace(/\/+$/, ''),
      credential: sealed === null ? null : unseal(sealed, this.#sealingKey, SEAL_PURPOSES.upstreamCredential),
      sandbox: upstream.sandbox,
    };
  }
}

function compileKey(config: SnapshotKey): CompiledKey {
  if (config.aliases.length === 0)
    return { config, exactAliases: NO_EXACT_ALIASES, prefixAliases: NO_PREFIX_ALIASES };
  const exactAliases = new Map<string, string>();
  const prefixAliases: { prefix: string; model: string }[] = [];
  for (const { alias, kind, model } of config.aliases) {
    if (kind === 'exact') exactAliases.set(alias, model);
    else prefixAliases.push({ prefix: alias, model });
  }
  prefixAliases.sort((left, right) => right.prefix.length - left.prefix.length);
  return { config, exactAliases, prefixAliases };
}
