import { setImmediate as nextTurn } from 'node:timers/promises';
import { SEAL_PURPOSES, type SealingKey, unseal } from '#shared/sealed-secret.ts';
import {
  SHARD_COUNT,
  type SnapshotAccount,
  type SnapshotCatalog,
  type SnapshotChange,
  type SnapshotShard,
  type SnapshotUpstream,
  shardOf,
} from '#shared/snapshot.ts';
import type { CompiledKey, CompiledModel, CompiledSnapshot, CompiledUpstream } from './compiled-snapshot.ts';
import { PackedAccounts } from './packed-accounts.ts';
import { PackedKeys } from './packed-keys.ts';
import { textsIn } from './packed-texts.ts';

/** Some thousand accounts or keys as only this class reads them. */
export interface PackedPortion {
  readonly of: 'accounts' | 'keys';
  /** Good until the next portion is taken. */
  readonly bytes: Buffer;
}

/** Keys or accounts between two turns of the event loop. */
const LOADED_PER_TURN = 1_000;

/**
 * The snapshot in the shape that the request path reads, kept current change by change. Parts carry the sequence they were
 * built at, so that a change older than its part is recognised and skipped.
 */
export class SnapshotStore implements CompiledSnapshot {
  sequence = 0;
  mayLackNewest = false;
  readonly #sealingKey: SealingKey;
  readonly #keys = new PackedKeys();
  readonly #accounts = new PackedAccounts();
  readonly #shardSequences: number[] = new Array<number>(SHARD_COUNT).fill(0);
  #catalog: SnapshotCatalog = { models: [], upstreams: [] };
  #catalogSequence = 0;
  #models: ReadonlyMap<string, CompiledModel> = new Map();
  #listedModels: readonly CompiledModel[] = [];

  constructor(sealingKey: SealingKey) {
    this.#sealingKey = sealingKey;
  }

  findKey(digest: string): CompiledKey | undefined {
    return this.#keys.find(digest);
  }

  findAccount(accountId: string): SnapshotAccount | undefined {
    return this.#accounts.find(accountId);
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

  /** Loads a shard that is complete up to `sequence`, with pauses for other work. */
  async loadShard(shard: number, body: SnapshotShard, sequence: number): Promise<void> {
    await this.#load(body);
    this.#shardSequences[shard] = sequence;
  }

  /** Loads a portion of another store. What all portions bring is complete up to `sequence`. */
  loadPacked({ of, bytes }: PackedPortion, sequence: number): void {
    const table = of === 'keys' ? this.#keys : this.#accounts;
    for (const text of textsIn(bytes)) table.putPacked(text);
    this.#shardSequences.fill(sequence);
  }

  /** Applies one change unless the part it belongs to already contains it. */
  apply(change: SnapshotChange, sequence: number): void {
    if (change.kind === 'catalog') {
      if (sequence > this.#catalogSequence) this.loadCatalog(change.catalog, sequence);
      return;
    }
    if (sequence <= (this.#shardSequences[shardOf(change.id)] ?? 0)) return;
    if (change.kind === 'account') {
      if (change.account) this.#accounts.put(change.account);
      else this.#accounts.remove(change.id);
    } else if (change.key) this.#keys.put(change.key);
    else this.#keys.remove(change.id);
  }

  get catalog(): SnapshotCatalog {
    return this.#catalog;
  }

  /** Everything but the catalog. What changes while the portions are taken may be in none of them. */
  *packed(): Generator<PackedPortion> {
    for (const bytes of this.#accounts.portions()) yield { of: 'accounts', bytes };
    for (const bytes of this.#keys.portions()) yield { of: 'keys', bytes };
  }

  async #load({ accounts, keys }: SnapshotShard): Promise<void> {
    for (let first = 0; first < accounts.length; first += LOADED_PER_TURN) {
      for (const account of accounts.slice(first, first + LOADED_PER_TURN)) this.#accounts.put(account);
      await nextTurn();
    }
    for (let first = 0; first < keys.length; first += LOADED_PER_TURN) {
      for (const key of keys.slice(first, first + LOADED_PER_TURN)) this.#keys.put(key);
      await nextTurn();
    }
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
