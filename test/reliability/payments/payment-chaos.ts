import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, vi } from 'vitest';
import { startBilling } from '#test/control-plane/billing/billing-fixture.ts';
import { readTestSettings } from '#test/setup/settings.ts';
import { testDatabaseUrl, testRedisUrl } from '#test/setup/test-backends.ts';
import { seededRandom } from '../seeded-random.ts';
import { KilledWorkers } from './killed-workers.ts';
import { creditByBook, playMonth } from './payment-month.ts';

export interface PaymentChaosPlan {
  readonly payments: number;
  readonly kills: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}

const COPIES = 3;
const WORKERS = 2;
const SETTLE_TIMEOUT_MS = 240_000;

/**
 * Replays every event of a month three times, shuffled and at once, onto two worker processes that are killed again and
 * again. Afterwards each account must have what the stand-in's own book says, and the ledger must balance.
 */
export async function runPaymentChaos({ payments, kills, seed, say }: PaymentChaosPlan): Promise<void> {
  const random = seededRandom(seed);
  const billing = await startBilling({ dailyAccountLimitCents: 99_999_999, dailyCardLimit: 10_000 }, false);
  const workers = new KilledWorkers(
    {
      PATH: readTestSettings().environment.PATH ?? '',
      CROSSMODEL_MODE: 'production',
      CROSSMODEL_HOME: mkdtempSync(path.join(tmpdir(), 'payment-chaos-')),
      CROSSMODEL_SECRET_KEY: randomBytes(32).toString('hex'),
      CONTROL_PLANE_ROLE: 'workers',
      CONTROL_PLANE_URL: 'https://pay.example.com',
      DATABASE_URL: await testDatabaseUrl(),
      REDIS_URL: await testRedisUrl(),
      STRIPE_SECRET_KEY: billing.settings.stripeSecretKey,
      STRIPE_WEBHOOK_SECRET: billing.settings.stripeWebhookSecret,
      STRIPE_API_BASE: billing.settings.stripeApiBase ?? '',
      LOG_LEVEL: 'silent',
    },
    seededRandom(seed + 1),
  );
  try {
    const { webhooks, book } = billing.stripe;
    webhooks.conduct = { copies: 0, maxDelayMs: 0 };
    const accounts = await playMonth(billing, random, payments);
    say(`${book.events.length} events of ${payments} payments, ${accounts.length} accounts, seed ${seed}`);
    webhooks.conduct = { copies: COPIES, maxDelayMs: kills * 400 };
    workers.start(WORKERS);
    for (const event of random.shuffle(book.events)) webhooks.send(event);
    await vi.waitFor(() => expect(workers.kills).toBeGreaterThanOrEqual(kills), {
      timeout: SETTLE_TIMEOUT_MS,
      interval: 50,
    });
    workers.spare();
    await vi.waitFor(
      async () => {
        const [open] = await billing.api.sql<{ count: number }[]>`
          select count(*)::int as count from stripe_events where status = 'received'`;
        expect({ undelivered: webhooks.pending, unapplied: open?.count }).toEqual({
          undelivered: 0,
          unapplied: 0,
        });
      },
      { timeout: SETTLE_TIMEOUT_MS, interval: 200 },
    );
    for (const accountId of accounts) {
      const cents = creditByBook(billing, accountId);
      expect(Number(await billing.balanceOf(accountId)), accountId).toBeCloseTo(cents / 100, 9);
    }
    const figures = await expectBalancedLedger(billing.api.sql);
    say(`${workers.kills} workers killed, ${COPIES * book.events.length} events delivered; ${figures}`);
    expect(billing.schemaProblems).toEqual([]);
  } finally {
    await workers.stop();
    await billing.close();
  }
}

async function expectBalancedLedger(
  sql: Awaited<ReturnType<typeof startBilling>>['api']['sql'],
): Promise<string> {
  const [row] = await sql<{ sum: string; dead: number; doubled: number }[]>`
    select
      (select coalesce(sum(amount_nano), 0)::text from ledger_entries) as sum,
      (select count(*)::int from dead_letters) as dead,
      (select count(*)::int from (
        select metadata->>'topUpId' from ledger_transactions where kind = 'top_up' group by 1 having count(*) > 1) twice
      ) as doubled`;
  expect(row).toEqual({ sum: '0', dead: 0, doubled: 0 });
  const kinds = await sql<{ kind: string; count: number }[]>`
    select kind, count(*)::int as count from ledger_transactions group by kind order by kind`;
  return `posted once each: ${kinds.map(({ kind, count }) => `${count} ${kind}`).join(', ')}`;
}
