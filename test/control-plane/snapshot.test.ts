import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SnapshotPublisher } from '#control-plane/snapshot/publish-snapshot.ts';
import { recordConfigChange } from '#control-plane/snapshot/record-config-change.ts';
import { openSnapshotSource, type SnapshotFeed } from '#data-plane/snapshot/snapshot-feed.ts';
import { openDatabase } from '#db/client.ts';
import { systemClock } from '#shared/clock.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { openRedisLink, type RedisLink } from '#shared/redis-link.ts';
import { parseSealingKey, SEAL_PURPOSES, type SealingKey, seal } from '#shared/sealed-secret.ts';
import { createBillableAccount, mintTestId } from '#test/setup/billing-fixtures.ts';
import { testDatabaseUrl, testRedisUrl } from '#test/setup/test-backends.ts';

const redisUrl = await testRedisUrl();
const redis = new Redis(redisUrl);
const clients = openDatabase(await testDatabaseUrl(), { max: 6, applicationName: 'snapshot-test' });
const { sql, database } = clients;
const logger = pino({ level: 'silent' });
const sealingKey = randomSealingKey();
const home = mkdtempSync(join(tmpdir(), 'crossmodel-snapshot-'));

const feeds: SnapshotFeed[] = [];
let link: RedisLink;
let publisher: SnapshotPublisher;

function randomSealingKey(): SealingKey {
  const key = parseSealingKey(randomBytes(32).toString('hex'));
  if (key === undefined) throw new Error('32 random bytes must be a sealing key');
  return key;
}

async function openFeed(url = redisUrl): Promise<SnapshotFeed> {
  const feed = await openSnapshotSource({
    redisUrl: url,
    home,
    sealingKey,
    bootWaitMs: 200,
    writesFile: true,
    clock: systemClock,
    logger,
  });
  feeds.push(feed);
  return feed;
}

function newPublisher(): SnapshotPublisher {
  const sandbox = { baseUrl: 'http://127.0.0.1:9/v1' };
  const publishing = new SnapshotPublisher({ sql, link, clock: systemClock, logger, sandbox });
  publishing.start();
  return publishing;
}

beforeEach(async () => {
  await redis.flushdb();
  link = openRedisLink(redisUrl, 'publisher', logger);
  publisher = newPublisher();
});

afterEach(async () => {
  await publisher.close();
  link.close();
  await Promise.all(feeds.splice(0).map((feed) => feed.close()));
});

afterAll(async () => {
  redis.disconnect();
  await clients.close();
  rmSync(home, { recursive: true, force: true });
});

/** A key in the tables, announced as the verbs announce it. */
async function createKey(accountId: string): Promise<{ id: string; digest: string }> {
  const id = mintTestId();
  const digest = `digest-${id}`;
  await database.transaction(async (tx) => {
    await sql`insert into api_keys (id, account_id, name, digest, start, last4, rpm_limit, tpm_limit)
      values (${id}, ${accountId}, 'k', ${digest}, 'cm-abc', 'wxyz', 60, 1000)`;
    await recordConfigChange(tx, { entity: 'key', entityId: id });
    await recordConfigChange(tx, { entity: 'account', entityId: accountId });
  });
  return { id, digest };
}

async function announceKey(id: string): Promise<void> {
  await database.transaction((tx) => recordConfigChange(tx, { entity: 'key', entityId: id }));
}

describe('the config snapshot', () => {
  it('shows a new key, its alias and its deletion to a running data plane', async () => {
    const feed = await openFeed();
    const account = await createBillableAccount(sql);
    const key = await createKey(account.accountId);
    await expect.poll(() => feed.current().findKey(key.digest)?.config.accountId).toBe(account.accountId);
    expect(feed.current().findAccount(account.accountId)).toEqual({
      id: account.accountId,
      status: 'active',
    });
    await sql`insert into model_aliases (id, api_key_id, alias, kind, model_id)
      values (${mintTestId()}, ${key.id}, 'fast', 'prefix', ${account.model})`;
    await announceKey(key.id);
    await expect
      .poll(() => feed.current().findKey(key.digest)?.prefixAliases)
      .toEqual([{ prefix: 'fast', model: account.model }]);
    await sql`update api_keys set status = 'deleted' where id = ${key.id}`;
    await announceKey(key.id);
    await expect.poll(() => feed.current().findKey(key.digest)).toBeUndefined();
  });

  it('routes a model without a credential to the sandbox and prefers the vendor once there is one', async () => {
    const feed = await openFeed();
    const account = await createBillableAccount(sql);
    await database.transaction((tx) => recordConfigChange(tx, { entity: 'catalog' }));
    await expect
      .poll(() =>
        feed
          .current()
          .findModel(account.model)
          ?.routes.map((route) => route.upstream.sandbox),
      )
      .toEqual([true]);
    const upstreamId = mintTestId();
    const sealed = seal('sk-provider', sealingKey, SEAL_PURPOSES.upstreamCredential);
    await sql`insert into upstreams (id, name, vendor, protocol, base_url, sealed_credential, source)
      values (${upstreamId}, ${upstreamId}, 'test', 'chat', 'https://provider.example/v1', ${sealed}, 'operator')`;
    await sql`insert into routes (id, model_id, upstream_id, provider_model)
      values (${mintTestId()}, ${account.model}, ${upstreamId}, 'their-name')`;
    await database.transaction((tx) => recordConfigChange(tx, { entity: 'catalog' }));
    await expect
      .poll(() =>
        feed
          .current()
          .findModel(account.model)
          ?.routes.map((route) => route.upstream.credential),
      )
      .toEqual(['sk-provider']);
    expect(await redis.get(redisKeys.snapshotCatalog)).not.toContain('sk-provider');
  });

  it('is whole again after Redis was wiped', async () => {
    const feed = await openFeed();
    const account = await createBillableAccount(sql);
    const before = await createKey(account.accountId);
    await expect.poll(() => feed.current().findKey(before.digest)).toBeDefined();
    await redis.flushdb();
    const after = await createKey(account.accountId);
    await expect.poll(() => feed.current().findKey(after.digest), { timeout: 5_000 }).toBeDefined();
    const restarted = await openFeed();
    expect(restarted.current().findKey(before.digest)).toBeDefined();
    expect(restarted.current().findKey(after.digest)).toBeDefined();
  });

  it('numbers changes without gaps, also when many commit at once', async () => {
    const feed = await openFeed();
    const account = await createBillableAccount(sql);
    const keys = await Promise.all(Array.from({ length: 40 }, () => createKey(account.accountId)));
    await expect.poll(() => keys.every((key) => feed.current().findKey(key.digest) !== undefined)).toBe(true);
    const entries = await redis.xrange(redisKeys.snapshotChanges, '-', '+');
    const sequences = entries.map(([, fields]) => Number(fields[fields.indexOf('sequence') + 1]));
    expect(sequences).toEqual(sequences.map((_, index) => (sequences[0] ?? 0) + index));
  });

  it('serves the copy on disk while Redis is away', async () => {
    const account = await createBillableAccount(sql);
    const key = await createKey(account.accountId);
    const feed = await openFeed();
    await expect.poll(() => feed.current().findKey(key.digest)).toBeDefined();
    // A feed writes its copy when it has started.
    await (await openFeed()).close();
    const offline = await openFeed('redis://127.0.0.1:1/0');
    expect(offline.current().findKey(key.digest)?.config.id).toBe(key.id);
    expect(offline.ageMs()).toBeGreaterThan(1_000);
    expect(offline.current().mayLackNewest).toBe(true);
    expect(feed.current().mayLackNewest).toBe(false);
  });

  it('may lack what is newer than the copy on disk until Redis has confirmed or replaced it', async () => {
    const account = await createBillableAccount(sql);
    const old = await createKey(account.accountId);
    const feed = await openFeed();
    await expect.poll(() => feed.current().findKey(old.digest)).toBeDefined();
    await (await openFeed()).close();
    await publisher.close();
    const head = await redis.hgetall(redisKeys.snapshotHead);
    await redis.flushdb();
    const confirmed = await openFeed();
    expect(confirmed.current().mayLackNewest).toBe(true);
    await redis.hset(redisKeys.snapshotHead, head);
    await expect.poll(() => confirmed.current().mayLackNewest, { timeout: 5_000 }).toBe(false);
    await redis.flushdb();
    const replaced = await openFeed();
    expect(replaced.current().mayLackNewest).toBe(true);
    const newer = await createKey(account.accountId);
    publisher = newPublisher();
    await expect.poll(() => replaced.current().findKey(newer.digest), { timeout: 10_000 }).toBeDefined();
    await expect.poll(() => replaced.current().mayLackNewest, { timeout: 5_000 }).toBe(false);
  });
});
