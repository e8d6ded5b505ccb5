/**
 * Every Redis name of the product: who writes it, what it holds, how long it lives. Redis is never the only copy of
 * anything that costs money; each of these can be rebuilt after a wipe from Postgres and the spools.
 */
export const redisKeys = {
  /**
   * hash, publisher. `format`, `sequence` of the last published change, `shardsSequence` up to which every shard is
   * rewritten, `checkedAtMs` when the publisher last found itself up to date.
   */
  snapshotHead: 'cm:snapshot:head',
  /** string, publisher. A JSON `SnapshotPart<SnapshotCatalog>`. */
  snapshotCatalog: 'cm:snapshot:catalog',
  /** string, publisher. A JSON `SnapshotPart<SnapshotShard>`; shard 0..255. */
  snapshotShard: (shard: number) => `cm:snapshot:shard:${shard.toString(16).padStart(2, '0')}`,
  /** stream, publisher. One entry per change: `sequence`, `body` (JSON `SnapshotChange`). Trimmed to the last hour. */
  snapshotChanges: 'cm:snapshot:changes',

  /** stream, data planes → ingest workers. Fields `spool`, `from`, `to`, `lines`. Deleted by the worker after commit. */
  usageStream: 'cm:usage',
  /** hash, ingest workers. spool id → highest record sequence that Postgres has committed. */
  usageConfirmed: 'cm:usage:confirmed',
  /** string, ingest workers. JSON `UsageTotals` of an account. */
  usageTotals: (accountId: string) => `cm:totals:${accountId}`,

  /** string, publisher. The Redis run id for which the wallets are seeded; absent or different: no grants. */
  quotaOpen: 'cm:quota:open',
  /** set, data planes. Spools that have declared their counters to the Redis run of this id; expires after an hour. */
  quotaDeclared: (runId: string) => `cm:quota:declared:${runId}`,
  /**
   * hash, two writers. A wallet is what requests take from: an account's balance (named by the account id), a key's budget of
   * one period (`key:<id>:<label>`), a key's requests in flight (`key:<id>:inflight`), an account's one request that may cost
   * more than its hold (`<account id>:unstated`). The control plane writes `balance` (for a budget: minus what is spent),
   * `sequence` and `s:<spool>` (settled); the lease scripts write `g:<spool>` (granted), `r:<spool>` (returned) and `i:<spool>`
   * (the part of it that no request holds). Nano-USD or requests; `s:`, `g:` and `r:` only ever grow. After a wipe,
   * `b:<spool>` reserves what an ended or silent spool may have spent, and `x:<spool>` forbids grants until a spool of which
   * even that is unknown speaks or is closed.
   */
  wallet: (name: string) => `cm:wallet:${name}`,
  /** set, lease scripts. Wallets in which a spool has counters, so that they can be closed. */
  spoolWallets: (spool: string) => `cm:spool:${spool}:wallets`,
  /** set, publisher. Spools that have published figures or guards in wallets, so that these go when the spool is closed. */
  quotaSpools: 'cm:quota:spools',
  /** channel, lease scripts and publisher → data planes. Name of a wallet whose idle slices are to come back. */
  quotaRecall: 'cm:quota:recall',
  /** hash, lease scripts. One-second buckets of requests and tokens of one API key; expires after 2 min of silence. */
  rateBuckets: (apiKeyId: string) => `cm:rate:${apiKeyId}`,

  /** hash, data planes. How the models of one vendor count tokens: sums of six numbers; expires after 90 days of silence. */
  tokenFactors: (family: string) => `cm:token-factors:${family}`,
  /** channel, workers → control plane API. Ids of accounts whose balance or usage has moved, with spaces between. */
  accountsMoved: 'cm:accounts:moved',
  /** string, control plane API. How much a caller of it has spent in one window; expires with the window. */
  apiRate: (window: string) => `cm:api:rate:${window}`,
} as const;

/** The consumer group of `usageStream`. */
export const USAGE_CONSUMER_GROUP = 'ingest';
