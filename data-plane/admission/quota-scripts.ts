import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { redisKeys } from '#shared/redis-keys.ts';
import type { RedisLink } from '#shared/redis-link.ts';
import type { KeyQuota, WalletUse } from './key-quota.ts';
import type { RateStanding } from './quotas.ts';
import type { WalletSlice } from './wallet-slice.ts';

/** What a lease call asks for. A renewal needs nothing and wants slices. */
export interface LeasePlan {
  readonly key: KeyQuota;
  readonly uses: readonly WalletUse[];
  readonly rpmLimit: number;
  readonly tpmLimit: number;
  readonly requests: number;
  readonly tokens: number;
  readonly requestsOnTop: number;
  readonly tokensOnTop: number;
  /** Per wallet, beyond what this process takes from its own slice. */
  readonly needs: readonly bigint[];
  /** Per wallet, if the smaller hold will do. */
  readonly leasts: readonly bigint[] | undefined;
  /** Per wallet, what is wanted as a slice. */
  readonly onTop: readonly bigint[];
}

export type LeaseAnswer =
  | {
      readonly verdict: 'held';
      readonly second: number;
      readonly standing: RateStanding;
      readonly requestsOnTop: number;
      readonly tokensOnTop: number;
      readonly tookLeast: boolean;
      readonly lent: readonly { readonly amount: bigint; readonly free: bigint }[];
    }
  | { readonly verdict: 'rpm' | 'tpm'; readonly retryAfterMs: number; readonly standing: RateStanding }
  | {
      readonly verdict: 'short';
      readonly use: WalletUse;
      readonly free: bigint;
      readonly recalled: boolean;
    }
  | { readonly verdict: 'none' | 'blocked' | 'closed' };

type Reply = readonly (string | number)[];

interface ScriptCommands {
  lease(...args: (string | number)[]): Promise<Reply>;
  declareCounters(...args: (string | number)[]): Promise<string[]>;
}

const DECLARATION_TTL_SECONDS = 3_600;

/** The quota scripts of one spool, with their arguments and answers in our own terms. Rejects when Redis does. */
export class QuotaScripts {
  readonly #link: RedisLink;
  readonly #client: Redis & ScriptCommands;
  readonly #spoolId: string;

  constructor(link: RedisLink, spoolId: string) {
    this.#link = link;
    this.#spoolId = spoolId;
    for (const [name, file] of [
      ['lease', './lease.lua'],
      ['declareCounters', './declare-counters.lua'],
    ] as const)
      link.client.defineCommand(name, { lua: readFileSync(new URL(file, import.meta.url), 'utf8') });
    this.#client = link.client as Redis & ScriptCommands;
  }

  async lease(plan: LeasePlan, nowMs: number): Promise<LeaseAnswer> {
    const { key, uses, needs, leasts } = plan;
    const args: (string | number)[] = [
      uses.length + 3,
      redisKeys.quotaOpen,
      redisKeys.rateBuckets(key.id),
      redisKeys.spoolWallets(this.#spoolId),
    ];
    for (const { slice } of uses) args.push(redisKeys.wallet(slice.name));
    args.push(
      this.#link.runId() ?? '',
      this.#spoolId,
      redisKeys.quotaRecall,
      plan.rpmLimit,
      plan.tpmLimit,
      plan.requests,
      plan.tokens,
      plan.requestsOnTop,
      plan.tokensOnTop,
      leasts === undefined ? '0' : '1',
    );
    for (const [index, { slice, limit, keepSeconds }] of uses.entries()) {
      const { granted, returned, idleNano, unwrittenNano } = slice;
      args.push(slice.name, limit, granted.toString(), returned.toString());
      args.push((idleNano + unwrittenNano).toString(), (needs[index] ?? 0n).toString());
      args.push((leasts?.[index] ?? 0n).toString(), (plan.onTop[index] ?? 0n).toString());
      args.push(slice.typicalNano.toString(), keepSeconds(nowMs));
    }
    return readLease(plan, await this.#client.lease(...args));
  }

  /** Tells Redis absolute counters, and corrections of the key's rate buckets. Returns what Redis knows as granted. */
  async declare(
    slices: readonly WalletSlice[],
    keyId: string,
    corrections: readonly number[],
  ): Promise<bigint[]> {
    const args: (string | number)[] = [
      slices.length + 2,
      redisKeys.spoolWallets(this.#spoolId),
      redisKeys.rateBuckets(keyId),
    ];
    for (const { name } of slices) args.push(redisKeys.wallet(name));
    args.push(this.#spoolId, corrections.length / 3, ...corrections);
    for (const { name, granted, returned, idleNano, unwrittenNano } of slices)
      args.push(name, granted.toString(), returned.toString(), (idleNano + unwrittenNano).toString());
    return (await this.#client.declareCounters(...args)).map((granted) => BigInt(granted));
  }

  /** Says that all counters have been declared to the Redis run of this id, and lifts what was reserved on our behalf. */
  async announce(runId: string): Promise<void> {
    const { client } = this.#link;
    await client.sadd(redisKeys.quotaDeclared(runId), this.#spoolId);
    await client.expire(redisKeys.quotaDeclared(runId), DECLARATION_TTL_SECONDS);
    const names = await client.smembers(redisKeys.spoolWallets(this.#spoolId));
    if (names.length === 0) return;
    const pipeline = client.pipeline();
    for (const name of names)
      pipeline.hdel(redisKeys.wallet(name), `b:${this.#spoolId}`, `x:${this.#spoolId}`);
    await pipeline.exec();
  }

  readMarker(): Promise<string | null> {
    return this.#client.get(redisKeys.quotaOpen);
  }

  /** The quota marker and an account's wallet hash. */
  async readAccount(accountId: string): Promise<{ marker: string | null; fields: Record<string, string> }> {
    const [marker, fields] = await Promise.all([
      this.readMarker(),
      this.#client.hgetall(redisKeys.wallet(accountId)),
    ]);
    return { marker, fields };
  }
}

const HELD_HEAD = 9;

function readLease(plan: LeasePlan, reply: Reply): LeaseAnswer {
  const [verdict] = reply;
  const figure = (index: number): number => Number(reply[index] ?? 0);
  switch (verdict) {
    case 'held':
      return {
        verdict,
        second: figure(1),
        standing: standingOf(plan, reply, 2),
        requestsOnTop: figure(6),
        tokensOnTop: figure(7),
        tookLeast: figure(8) === 1,
        lent: plan.uses.map((_, index) => ({
          amount: BigInt(reply[HELD_HEAD + 2 * index] ?? 0),
          free: BigInt(reply[HELD_HEAD + 1 + 2 * index] ?? 0),
        })),
      };
    case 'rpm':
    case 'tpm':
      return { verdict, retryAfterMs: figure(1), standing: standingOf(plan, reply, 2) };
    case 'short': {
      const use = plan.uses[figure(1)];
      if (use === undefined) throw new Error('The lease script names a wallet that it was not given');
      return { verdict, use, free: BigInt(reply[2] ?? 0), recalled: figure(3) === 1 };
    }
    case 'none':
    case 'blocked':
    case 'closed':
      return { verdict };
    default:
      throw new Error(`The lease script answers ${String(verdict)}`);
  }
}

function standingOf(plan: LeasePlan, reply: Reply, at: number): RateStanding {
  return {
    requestLimit: plan.rpmLimit,
    tokenLimit: plan.tpmLimit,
    remainingRequests: Number(reply[at]),
    remainingTokens: Number(reply[at + 1]),
    requestResetMs: Number(reply[at + 2]),
    tokenResetMs: Number(reply[at + 3]),
  };
}
