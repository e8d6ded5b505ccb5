import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { z } from 'zod';
import { reconcile } from '#control-plane/ledger/reconcile.ts';
import { type DatabaseClients, openDatabase } from '#db/client.ts';
import { systemClock } from '#shared/clock.ts';
import { formatId, parseIdOf } from '#shared/identifiers.ts';
import { formatUsd } from '#shared/money.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import type { UsageRow } from '#test/acceptance/control-api.ts';
import type { RunningProduct } from '#test/acceptance/running-product.ts';

const POLL_MS = 1_000;
const credits = z.object({ uncollected_micro: z.number() });

/** The stores of a running product, opened for the audit after the run. */
export interface ChaosBooks {
  readonly clients: DatabaseClients;
  /** Waits until nothing is held in any wallet and `/v1/credits` says so. Returns what is still open after the deadline. */
  untilNothingIsHeld(apiKey: string, timeoutMs: number): Promise<string[]>;
  /** All usage records of an account; there are too many for the API's pages. */
  usageOf(accountId: string): Promise<UsageRow[]>;
  /** What the product's own reconciliation finds: ledger, usage, balances and Redis hold against each other. */
  reconcile(): Promise<string[]>;
  close(): Promise<void>;
}

export function openBooks(product: RunningProduct): ChaosBooks {
  const clients = openDatabase(product.databaseUrl, { max: 2, applicationName: 'chaos-audit' });
  const redis = new Redis(product.redisUrl);
  // It is killed again and again.
  redis.on('error', () => undefined);
  return {
    clients,
    untilNothingIsHeld: async (apiKey, timeoutMs) => {
      const deadlineMs = systemClock.monotonicMs() + timeoutMs;
      for (;;) {
        const open = [...(await openHolds(redis)), ...(await uncollected(product, apiKey))];
        if (open.length === 0 || systemClock.monotonicMs() > deadlineMs) return open;
        await delay(POLL_MS);
      }
    },
    usageOf: async (accountId) => {
      const rows = await clients.sql<(Omit<UsageRow, 'costUsd'> & { costNano: string })[]>`
        select request_id as "requestId", status, model_id as model, input_tokens as "inputTokens",
          output_tokens as "outputTokens", cache_read_tokens as "cacheReadTokens",
          cache_write_5m_tokens + cache_write_1h_tokens as "cacheWriteTokens", estimated,
          cost_nano::text as "costNano"
        from usage_records where account_id = ${parseIdOf('Account', accountId) ?? ''}`;
      return rows.map(({ costNano, ...row }) => ({
        ...row,
        requestId: formatId('UsageRecord', row.requestId),
        costUsd: formatUsd(BigInt(costNano)),
      }));
    },
    reconcile: async () => {
      const result = await reconcile({ ...clients, redis, clock: systemClock });
      if ((result.checked.redis ?? 0) === 0) return ['reconciliation: Redis was not seeded'];
      return result.differences.map(
        ({ check, subject, expected, found }) => `${check}: ${subject}: ${found} instead of ${expected}`,
      );
    },
    close: async () => {
      redis.disconnect();
      await clients.close();
    },
  };
}

/** Wallets in which some spool has more granted than returned and settled, or something reserved. */
async function openHolds(redis: Redis): Promise<string[]> {
  const found: string[] = [];
  for (const key of await redis.keys(redisKeys.wallet('*'))) {
    const fields = await redis.hgetall(key);
    let held = 0n;
    for (const [field, value] of Object.entries(fields)) {
      const kind = field.slice(0, 2);
      if (kind === 'x:') found.push(`${key} is blocked by ${field}`);
      if (kind === 'g:' || kind === 'b:') held += BigInt(value);
      if (kind === 'r:' || kind === 's:') held -= BigInt(value);
    }
    if (held !== 0n) found.push(`${key} still holds ${held}: ${JSON.stringify(fields)}`);
  }
  return found;
}

async function uncollected(product: RunningProduct, apiKey: string): Promise<string[]> {
  const answer = await fetch(`${product.access.dataPlaneUrl}/v1/credits`, {
    headers: { authorization: `Bearer ${apiKey}` },
  });
  if (answer.status !== 200) return [`/v1/credits answers ${answer.status}`];
  const { uncollected_micro: micro } = credits.parse(await answer.json());
  return micro === 0 ? [] : [`/v1/credits shows ${micro} uncollected_micro`];
}
