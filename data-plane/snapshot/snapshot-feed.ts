import { join } from 'node:path';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Clock } from '#shared/clock.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { openRedisLink, type RedisLink } from '#shared/redis-link.ts';
import type { SealingKey } from '#shared/sealed-secret.ts';
import {
  decodeSnapshotPart,
  SHARD_COUNT,
  SNAPSHOT_FORMAT,
  type SnapshotCatalog,
  type SnapshotChange,
  type SnapshotShard,
} from '#shared/snapshot.ts';
import type { CompiledSnapshot, SnapshotSource } from './compiled-snapshot.ts';
import { loadSnapshotFile, saveSnapshotFile } from './snapshot-file.ts';
import { SnapshotStore } from './snapshot-store.ts';

export interface SnapshotFeedOptions {
  readonly redisUrl: string;
  /** State folder; the copy on disk lives in it. */
  readonly home: string;
  readonly sealingKey: SealingKey;
  /** How long a start tries Redis before it takes the copy on disk, ms. */
  readonly bootWaitMs: number;
  /** One process per host writes the copy on disk. */
  readonly writesFile: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface SnapshotFeed extends SnapshotSource {
  close(): Promise<void>;
}

const RETRY_MS = 100;
const READ_BLOCK_MS = 1_000;
const READ_COUNT = 500;
const SAVE_INTERVAL_MS = 30_000;

/**
 * Loads the snapshot from Redis, or from the copy on disk when Redis does not answer within `bootWaitMs`, and follows the
 * change stream from then on. Rejects only when neither source has a snapshot within the wait and none appears.
 */
export async function openSnapshotSource(options: SnapshotFeedOptions): Promise<SnapshotFeed> {
  const feed = new RedisSnapshotFeed(options);
  await feed.boot();
  return feed;
}

/** The published parts do not connect to the change stream yet; the publisher is at work. */
class SnapshotIncomplete extends Error {
  override readonly name = 'SnapshotIncomplete';
}

class RedisSnapshotFeed implements SnapshotFeed {
  readonly #options: SnapshotFeedOptions;
  readonly #link: RedisLink;
  readonly #file: string;
  #store: SnapshotStore;
  #savedSequence = -1;
  #lastStreamId = '0-0';
  /** Clock time at which the publisher last confirmed that it is up to date. */
  #publishedAtMs = 0;
  /** Whether the last read found nothing although the head spoke of more. */
  #wasAhead = false;
  #closed = false;
  #following: Promise<void> = Promise.resolve();
  #saving: Promise<void> = Promise.resolve();
  #saveTimer: NodeJS.Timeout | undefined;

  constructor(options: SnapshotFeedOptions) {
    this.#options = options;
    this.#store = new SnapshotStore(options.sealingKey);
    this.#file = join(options.home, 'snapshot', 'last-good.bin');
    this.#link = openRedisLink(options.redisUrl, 'snapshot', options.logger, true);
  }

  current(): CompiledSnapshot {
    return this.#store;
  }

  ageMs(): number {
    return Math.max(0, this.#options.clock.nowMs() - this.#publishedAtMs);
  }

  async boot(): Promise<void> {
    const { clock, bootWaitMs, logger } = this.#options;
    const startedMs = clock.monotonicMs();
    let triedFile = false;
    for (;;) {
      if (this.#closed) throw new Error('Snapshot feed was closed while it started');
      if (await this.#tryReload()) break;
      if (!triedFile && clock.monotonicMs() - startedMs >= bootWaitMs) {
        triedFile = true;
        const stored = await this.#loadFile();
        if (stored) {
          logger.warn({ sequence: stored.sequence }, 'Redis has no snapshot, serving the last good copy');
          this.#store = stored;
          break;
        }
        logger.warn('No snapshot in Redis and none on disk, waiting for the publisher');
      }
      await delay(RETRY_MS);
    }
    this.#following = this.#follow();
    if (this.#options.writesFile) {
      this.#saveTimer = setInterval(() => this.#save(), SAVE_INTERVAL_MS);
      this.#save();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#saveTimer);
    this.#link.close();
    await this.#following;
    await this.#saving;
  }

  async #loadFile(): Promise<SnapshotStore | undefined> {
    try {
      const stored = await loadSnapshotFile(this.#file, this.#options.sealingKey);
      return stored;
    } catch (error) {
      this.#options.logger.error(
        { reason: String(error) },
        'The snapshot copy on disk is damaged and ignored',
      );
      return undefined;
    }
  }

  #save(): void {
    const store = this.#store;
    if (store.sequence === this.#savedSequence) return;
    this.#savedSequence = store.sequence;
    this.#saving = this.#saving
      .then(() => saveSnapshotFile(this.#file, store))
      .catch((error: unknown) =>
        this.#options.logger.error(
          { reason: String(error) },
          'The snapshot copy on disk could not be written',
        ),
      );
  }

  /** Replaces the whole snapshot by what Redis holds. False, with the old one kept, when Redis has none that is whole. */
  async #tryReload(): Promise<boolean> {
    try {
      await this.#reload();
      return true;
    } catch (error) {
      const expected = this.#link.runId() === undefined || error instanceof SnapshotIncomplete;
      if (!expected)
        this.#options.logger.error({ reason: String(error) }, 'Snapshot refused, the last good one stays');
      return false;
    }
  }

  async #reload(): Promise<void> {
    const { client } = this.#link;
    const head = await client.hgetall(redisKeys.snapshotHead);
    if (Number(head.format) !== SNAPSHOT_FORMAT) throw new SnapshotIncomplete();
    const store = new SnapshotStore(this.#options.sealingKey);
    const catalogText = await client.get(redisKeys.snapshotCatalog);
    if (catalogText === null) throw new SnapshotIncomplete();
    const catalog = decodeSnapshotPart<SnapshotCatalog>(catalogText);
    store.loadCatalog(catalog.body, catalog.sequence);
    // A shard that did not change keeps its old number: all shards together are complete up to this one.
    const oldest = Number(head.shardsSequence);
    // One shard of a million keys is a megabyte: each gets a turn of the event loop, while the next one is on its way.
    const fetchShard = (shard: number): Promise<string | null> => client.get(redisKeys.snapshotShard(shard));
    let next = fetchShard(0);
    for (let shard = 0; shard < SHARD_COUNT; shard += 1) {
      const text = await next;
      if (text === null) throw new SnapshotIncomplete();
      if (shard + 1 < SHARD_COUNT) next = fetchShard(shard + 1);
      // Should this reload end here, nobody waits for what is on its way.
      next.catch(() => undefined);
      const part = decodeSnapshotPart<SnapshotShard>(text);
      await nextTurn();
      await store.loadShard(shard, part.body, part.sequence);
    }
    const lastStreamId = await this.#applyChangesSince(store, oldest);
    if (store.sequence < Number(head.sequence)) throw new SnapshotIncomplete();
    this.#store = store;
    this.#lastStreamId = lastStreamId;
    this.#publishedAtMs = Number(head.checkedAtMs);
  }

  /** Brings a store whose shards are complete up to `oldest` up to date; returns the id of the last entry of the stream. */
  async #applyChangesSince(store: SnapshotStore, oldest: number): Promise<string> {
    const { client } = this.#link;
    store.sequence = oldest;
    for (let lastStreamId = '0-0'; ; ) {
      const from = `(${lastStreamId}`;
      const changes = await client.xrange(redisKeys.snapshotChanges, from, '+', 'COUNT', READ_COUNT);
      for (const [id, fields] of changes) {
        const { sequence, change } = readChange(fields);
        lastStreamId = id;
        if (sequence <= oldest) continue;
        if (sequence > store.sequence + 1) throw new SnapshotIncomplete();
        store.apply(change, sequence);
        store.sequence = Math.max(store.sequence, sequence);
      }
      if (changes.length < READ_COUNT) return lastStreamId;
    }
  }

  /** Reads the change stream until closed. Every doubt (gap, restart, damage) ends in a reload. */
  async #follow(): Promise<void> {
    let runId = this.#link.runId();
    while (!this.#closed) {
      if (this.#link.runId() === undefined) {
        await delay(RETRY_MS);
        continue;
      }
      try {
        if (runId !== this.#link.runId() && (await this.#tryReload())) runId = this.#link.runId();
        await this.#readChanges();
      } catch (error) {
        if (this.#closed) return;
        if (this.#link.runId() !== undefined)
          this.#options.logger.warn({ reason: String(error) }, 'Snapshot change not applied, reloading');
        await delay(RETRY_MS);
        await this.#tryReload();
      }
    }
  }

  async #readChanges(): Promise<void> {
    const { client } = this.#link;
    const found = await client.xread(
      'COUNT',
      READ_COUNT,
      'BLOCK',
      READ_BLOCK_MS,
      'STREAMS',
      redisKeys.snapshotChanges,
      this.#lastStreamId,
    );
    for (const [, entries] of found ?? [])
      for (const [id, fields] of entries) {
        const { sequence, change } = readChange(fields);
        if (sequence > this.#store.sequence + 1) throw new SnapshotIncomplete('Gap in the change stream');
        if (sequence === this.#store.sequence + 1) {
          this.#store.apply(change, sequence);
          this.#store.sequence = sequence;
        }
        this.#lastStreamId = id;
      }
    const [sequence, checkedAtMs] = await client.hmget(redisKeys.snapshotHead, 'sequence', 'checkedAtMs');
    if (sequence === null || checkedAtMs === null || sequence === undefined || checkedAtMs === undefined)
      return;
    this.#publishedAtMs = Number(checkedAtMs);
    if (Number(sequence) === this.#store.sequence) this.#store.mayLackNewest = false;
    // A change published between the two reads arrives with the next one; a head that stays ahead means a lost stream.
    const isAhead = found === null && Number(sequence) > this.#store.sequence;
    if (isAhead && this.#wasAhead) await this.#reload();
    this.#wasAhead = isAhead;
  }
}

function readChange(fields: string[]): { sequence: number; change: SnapshotChange } {
  const sequence = Number(fields[fields.indexOf('sequence') + 1]);
  const body = fields[fields.indexOf('body') + 1];
  if (!Number.isSafeInteger(sequence) || body === undefined) throw new Error('Malformed snapshot change');
  return { sequence, change: JSON.parse(body) as SnapshotChange };
}
