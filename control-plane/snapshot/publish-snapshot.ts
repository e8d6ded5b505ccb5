import type { Logger } from 'pino';
import type { Sql } from '#db/client.ts';
import { type Listening, listenForever } from '#db/listen.ts';
import type { Clock } from '#shared/clock.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { executePipeline, type RedisLink } from '#shared/redis-link.ts';
import {
  encodeSnapshotPart,
  SHARD_COUNT,
  SNAPSHOT_FORMAT,
  type SnapshotChange,
  shardOf,
} from '#shared/snapshot.ts';
import { readAccounts, readCatalog, readKeys, type SandboxUpstream } from './build-snapshot.ts';
import { CONFIG_CHANGED_CHANNEL } from './record-config-change.ts';

export interface SnapshotPublisherOptions {
  readonly sql: Sql;
  readonly link: RedisLink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly sandbox: SandboxUpstream | undefined;
}

const POLL_MS = 500;
const SHARD_REWRITE_MS = 60_000;
const STREAM_RETENTION_MS = 3_600_000;
const CHANGES_PER_ROUND = 1_000;
const SHARDS_PER_ROUND = 32;
/** Any constant shared by all publishers of one database. */
const PUBLISHER_LOCK = 7_265_001;

interface ChangeRow {
  id: string;
  entity: 'key' | 'account' | 'catalog';
  entity_id: string;
  sequence: string;
}

type LockedSql = Sql;

/**
 * Publishes committed configuration to Redis. Wakes on `NOTIFY` and twice a second; two publishers of one database take
 * turns under an advisory lock. Numbers are given out in one transaction and published in the next, so that a crash in
 * between repeats a change instead of reusing its number.
 */
export class SnapshotPublisher {
  readonly #options: SnapshotPublisherOptions;
  readonly #dirtyShards = new Set<number>();
  #shardsRewrittenMs = 0;
  #listening: Listening | undefined;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  #again = false;
  #closed = false;

  constructor(options: SnapshotPublisherOptions) {
    this.#options = options;
  }

  start(): void {
    const wake = (): void => this.wake();
    this.#listening = listenForever(this.#options.sql, CONFIG_CHANGED_CHANNEL, wake, wake);
    this.#timer = setInterval(() => this.wake(), POLL_MS);
    this.#options.link.onConnected(() => this.wake());
    this.wake();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#listening?.stop();
    await this.#round;
  }

  /** Starts a round, or asks the running one to go round again. */
  wake(): void {
    if (this.#closed || this.#options.link.runId() === undefined) return;
    if (this.#round !== undefined) {
      this.#again = true;
      return;
    }
    this.#round = this.publishPending()
      .catch((error: unknown) => {
        this.#options.logger.warn({ reason: String(error) }, 'Snapshot not published, trying again');
      })
      .finally(() => {
        this.#round = undefined;
        if (this.#again) {
          this.#again = false;
          this.wake();
        }
      });
  }

  /** One round: number what is committed, publish what is numbered, rewrite shards when due. */
  async publishPending(): Promise<void> {
    const { sql, clock } = this.#options;
    const redis = this.#options.link.client;
    await sql.begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(${PUBLISHER_LOCK})`;
      await tx`
        with pending as (
          select id, row_number() over (order by id) as place
          from config_changes where sequence is null order by id limit ${CHANGES_PER_ROUND}),
        head as (update config_sequence set sequence = sequence + (select count(*) from pending) where id = 1
          returning sequence - (select count(*) from pending) as before)
        update config_changes set sequence = head.before + pending.place
        from pending, head where config_changes.id = pending.id`;
    });
    await sql.begin(async (tx) => {
      const locked = tx as unknown as LockedSql;
      await locked`select pg_advisory_xact_lock(${PUBLISHER_LOCK})`;
      const pending = await locked<ChangeRow[]>`
        select id::text, entity, entity_id, sequence::text from config_changes
        where sequence is not null and published_at is null order by sequence limit ${CHANGES_PER_ROUND}`;
      const [row] = await locked<
        { sequence: string }[]
      >`select sequence::text from config_sequence where id = 1`;
      const numbered = Number(row?.sequence ?? 0);
      const head = await redis.hgetall(redisKeys.snapshotHead);
      const firstPending = pending[0];
      const connected =
        Number(head.format) === SNAPSHOT_FORMAT &&
        Number(head.sequence) + 1 >= Number(firstPending?.sequence ?? numbered + 1) &&
        Number(head.sequence) <= numbered &&
        (await redis.exists(redisKeys.snapshotCatalog)) === 1;
      if (!connected) await this.#publishEverything(locked, numbered);
      else if (pending.length > 0) await this.#publishChanges(locked, pending);
      if (pending.length > 0)
        await locked`update config_changes set published_at = now()
          where sequence is not null and published_at is null and sequence <= ${pending.at(-1)?.sequence ?? 0}`;
      if (connected) await this.#rewriteShardsWhenDue(locked, Number(head.shardsSequence ?? 0));
      await redis.hset(redisKeys.snapshotHead, 'checkedAtMs', clock.nowMs());
      if (pending.length === CHANGES_PER_ROUND) this.#again = true;
    });
  }

  async #publishChanges(sql: LockedSql, pending: readonly ChangeRow[]): Promise<void> {
    const { clock, sandbox } = this.#options;
    const redis = this.#options.link.client;
    const idsOf = (entity: ChangeRow['entity']) =>
      pending.filter((row) => row.entity === entity).map((row) => row.entity_id);
    const keys = new Map((await readKeys(sql, { ids: idsOf('key') })).map((key) => [key.id, key]));
    const accounts = new Map(
      (await readAccounts(sql, { ids: idsOf('account') })).map((row) => [row.id, row]),
    );
    const catalog = pending.some((row) => row.entity === 'catalog')
      ? await readCatalog(sql, clock.nowMs(), sandbox)
      : undefined;
    const lastCatalogChange = pending.findLast((row) => row.entity === 'catalog');
    const pipeline = redis.pipeline();
    for (const row of pending) {
      let change: SnapshotChange;
      if (row.entity === 'key')
        change = { kind: 'key', id: row.entity_id, key: keys.get(row.entity_id) ?? null };
      else if (row.entity === 'account')
        change = { kind: 'account', id: row.entity_id, account: accounts.get(row.entity_id) ?? null };
      else if (catalog) change = { kind: 'catalog', catalog };
      else throw new Error('A catalog change was read without its catalog');
      if (row.entity !== 'catalog') this.#dirtyShards.add(shardOf(row.entity_id));
      else if (catalog && row === lastCatalogChange)
        pipeline.set(redisKeys.snapshotCatalog, encodeSnapshotPart(catalog, Number(row.sequence)));
      pipeline.xadd(
        redisKeys.snapshotChanges,
        'MINID',
        '~',
        clock.nowMs() - STREAM_RETENTION_MS,
        '*',
        'sequence',
        row.sequence,
        'body',
        JSON.stringify(change),
      );
    }
    pipeline.hset(redisKeys.snapshotHead, 'sequence', pending.at(-1)?.sequence ?? 0);
    await executePipeline(pipeline);
  }

  /** After a wipe, a rollback of Redis or a first start: every part anew, at the last number given out. */
  async #publishEverything(sql: LockedSql, sequence: number): Promise<void> {
    const { clock, sandbox, logger } = this.#options;
    const redis = this.#options.link.client;
    const catalog = await readCatalog(sql, clock.nowMs(), sandbox);
    await redis.set(redisKeys.snapshotCatalog, encodeSnapshotPart(catalog, sequence));
    await this.#writeShards(sql, [...Array(SHARD_COUNT).keys()], sequence);
    await redis.hset(redisKeys.snapshotHead, {
      format: SNAPSHOT_FORMAT,
      sequence,
      shardsSequence: sequence,
      checkedAtMs: clock.nowMs(),
    });
    await sql`update config_changes set published_at = now()
      where published_at is null and sequence <= ${sequence}`;
    this.#dirtyShards.clear();
    this.#shardsRewrittenMs = clock.monotonicMs();
    logger.info({ sequence, models: catalog.models.length }, 'Whole snapshot published');
  }

  async #rewriteShardsWhenDue(sql: LockedSql, shardsSequence: number): Promise<void> {
    const { clock } = this.#options;
    const redis = this.#options.link.client;
    if (clock.monotonicMs() - this.#shardsRewrittenMs < SHARD_REWRITE_MS) return;
    const [row] = await sql<{ sequence: string | null }[]>`
      select max(sequence)::text as sequence from config_changes where published_at is not null`;
    const published = Number(row?.sequence ?? 0);
    const changed = await sql<{ entity_id: string }[]>`
      select distinct entity_id from config_changes
      where entity <> 'catalog' and sequence > ${shardsSequence} and sequence <= ${published}`;
    for (const { entity_id } of changed) this.#dirtyShards.add(shardOf(entity_id));
    if (published > shardsSequence) {
      await this.#writeShards(sql, [...this.#dirtyShards], published);
      await redis.hset(redisKeys.snapshotHead, 'shardsSequence', published);
    }
    this.#dirtyShards.clear();
    this.#shardsRewrittenMs = clock.monotonicMs();
    await sql`delete from config_changes
      where published_at < now() - interval '2 hours' and sequence <= ${published}`;
  }

  async #writeShards(sql: LockedSql, shards: readonly number[], sequence: number): Promise<void> {
    const redis = this.#options.link.client;
    for (let first = 0; first < shards.length; first += SHARDS_PER_ROUND) {
      const round = shards.slice(first, first + SHARDS_PER_ROUND);
      const keys = Map.groupBy(await readKeys(sql, { shards: round }), (key) => shardOf(key.id));
      const accounts = Map.groupBy(await readAccounts(sql, { shards: round }), (account) =>
        shardOf(account.id),
      );
      const pipeline = redis.pipeline();
      for (const shard of round)
        pipeline.set(
          redisKeys.snapshotShard(shard),
          encodeSnapshotPart({ accounts: accounts.get(shard) ?? [], keys: keys.get(shard) ?? [] }, sequence),
        );
      await executePipeline(pipeline);
    }
  }
}
