import { Redis } from 'ioredis';
import { pino } from 'pino';
import { expect } from 'vitest';
import type { Hold, HoldRequest } from '#data-plane/admission/quotas.ts';
import { openRedisQuotas, type RedisQuotas } from '#data-plane/admission/redis-quotas.ts';
import type { CompiledKey } from '#data-plane/snapshot/compiled-snapshot.ts';
import { systemClock } from '#shared/clock.ts';
import { isFault } from '#shared/fault.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import type { SnapshotKey } from '#shared/snapshot.ts';
import { mintTestId } from '#test/setup/billing-fixtures.ts';

export interface OpenOptions {
  readonly spoolId?: string;
  readonly holdTimeoutMs?: number;
  readonly noteGrant?: (line: string, onWritten: () => void) => void;
}

/** The quotas of several data-plane processes on one real Redis, and the publisher's side of it by hand. */
export class QuotaProcesses {
  readonly redis: Redis;
  readonly #redisUrl: string;
  readonly #opened: RedisQuotas[] = [];

  constructor(redisUrl: string) {
    this.#redisUrl = redisUrl;
    this.redis = new Redis(redisUrl);
  }

  async close(): Promise<void> {
    await this.closeProcesses();
    this.redis.disconnect();
  }

  async closeProcesses(): Promise<void> {
    await Promise.all(this.#opened.splice(0).map((quotas) => quotas.close()));
  }

  /** Says, as the publisher does, that all balances are seeded. */
  async openMarker(): Promise<void> {
    const runId = /^run_id:([0-9a-f]+)/m.exec(await this.redis.info('server'))?.[1] ?? '';
    await this.redis.set(redisKeys.quotaOpen, runId);
  }

  async open(options: OpenOptions = {}): Promise<RedisQuotas> {
    const quotas = openRedisQuotas({
      redisUrl: this.#redisUrl,
      spoolId: options.spoolId ?? mintTestId(),
      noteGrant: options.noteGrant ?? ((_, onWritten) => void setImmediate(onWritten)),
      clock: systemClock,
      logger: pino({ level: 'silent' }),
      outageAllowanceNano: 100_000_000n,
      holdTimeoutMs: options.holdTimeoutMs ?? 2_000,
    });
    this.#opened.push(quotas);
    await expect.poll(() => quotas.reachable, { timeout: 5_000 }).toBe(true);
    return quotas;
  }

  async fund(key: CompiledKey, nano: bigint, sequence = 1): Promise<void> {
    await this.redis.hset(redisKeys.wallet(key.config.accountId), { balance: nano.toString(), sequence });
  }

  wallet(name: string): Promise<Record<string, string>> {
    return this.redis.hgetall(redisKeys.wallet(name));
  }
}

export function keyWith(config: Partial<SnapshotKey> = {}): CompiledKey {
  return {
    config: {
      id: mintTestId(),
      digest: 'd',
      accountId: mintTestId(),
      status: 'active',
      expiresAtMs: null,
      rpmLimit: 1_000,
      tpmLimit: 1_000_000,
      aliases: [],
      ...config,
    },
    exactAliases: new Map(),
    prefixAliases: [],
  };
}

export const ask = (key: CompiledKey, worstCaseNano: bigint, reservedTokens = 10): HoldRequest => ({
  key,
  worstCaseNano,
  reservedTokens,
});

export async function held(quotas: RedisQuotas, request: HoldRequest): Promise<Hold> {
  const outcome = await quotas.hold(request);
  if (isFault(outcome)) throw new Error(`refused: ${outcome.kind}`);
  return outcome;
}
