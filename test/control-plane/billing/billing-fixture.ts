import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { expect, vi } from 'vitest';
import type { BillingSettings } from '#control-plane/billing/billing-settings.ts';
import { type FakeStripe, startFakeStripe } from '#control-plane/development/fake-stripe/server.ts';
import type { BookedIntent, BookedSession } from '#control-plane/development/fake-stripe/stripe-book.ts';
import { startJobs } from '#control-plane/jobs/start-jobs.ts';
import { choosePort } from '#control-plane/supervisor/network-ports.ts';
import { testRedisUrl } from '#test/setup/test-backends.ts';
import { startTestApi, type TestApi } from '../api-fixture.ts';
import { publishedStripeSchema } from './stripe-schema.ts';

export interface BillingFixture {
  readonly api: TestApi;
  readonly stripe: FakeStripe;
  readonly settings: BillingSettings;
  /** What is wrong with requests to the stand-in and with its answers and events, by Stripe's published types. */
  readonly schemaProblems: readonly string[];
  openAccount(): Promise<string>;
  /** Begins a top-up on the Checkout page; returns it and its session in the stand-in's book. */
  checkout(
    accountId: string,
    amountUsd: string,
    saveCard?: boolean,
  ): Promise<{ topUpId: string; session: BookedSession }>;
  /** An account with a saved card of this number, and 10 USD from paying with it. */
  accountWithCard(cardNumber?: string): Promise<string>;
  topUpWithCard(
    accountId: string,
    amountUsd: string,
    idempotencyKey?: string,
  ): Promise<{
    topUp: { id: string; status: string; failureMessage: string | null };
    requiredAction: { url: string } | null;
  }>;
  statusOf(topUpId: string): Promise<string>;
  /** Ledger balance of the account, USD. */
  balanceOf(accountId: string): Promise<string>;
  intentOf(session: BookedSession): BookedIntent;
  /** Waits until every webhook is delivered and every event applied. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** Tests need not wait as long as accounts may. */
const SWEEP_MS = 500;
export const GOOD_CARD = '4242424242424242';
export const CARD_THAT_ASKS = '4000002760003184';
export const CARD_THAT_FAILS_LATER = '4000000000000341';

/** The API, the jobs (unless the caller runs them) and a stand-in for Stripe that checks every request. */
export async function startBilling(
  changes: Partial<BillingSettings> = {},
  withJobs = true,
): Promise<BillingFixture> {
  const port = await choosePort(undefined);
  const settings: BillingSettings = {
    stripeSecretKey: 'sk_test_fixture',
    stripeWebhookSecret: 'whsec_fixture',
    stripeApiBase: `http://127.0.0.1:${port}`,
    publicUrl: 'http://127.0.0.1:1',
    minTopUpCents: 1_000,
    maxTopUpCents: 500_000,
    feeBasisPoints: 550,
    refundWindowDays: 14,
    dailyAccountLimitCents: 1_000_000,
    dailyCardLimit: 1_000,
    disputeSuspendsAccount: false,
    operatorMail: ['operator@example.com'],
    receiptFont: null,
    seller: ['CrossModel GmbH', 'Example Street 1, Berlin', 'VAT DE000000000'],
    ...changes,
  };
  const api = await startTestApi({ billing: settings });
  const schemaProblems: string[] = [];
  const schema = publishedStripeSchema();
  const stripe = await startFakeStripe({
    port,
    secretKey: settings.stripeSecretKey,
    webhookUrl: new URL('/webhooks/stripe', api.url).href,
    webhookSecret: settings.stripeWebhookSecret,
    bookFile: null,
    ...(schema && {
      check: {
        parameters: (route, form) => {
          const problems = schema.parameters(route, form);
          schemaProblems.push(...problems);
          return problems;
        },
        object: (value) => void schemaProblems.push(...schema.object(value)),
      },
    }),
  });
  const jobs = withJobs
    ? startJobs({
        database: api.database,
        sql: api.sql,
        sealingKey: api.sealingKey,
        mailbox: api.mailbox,
        fetcher: api.webhookFetcher,
        redisUrl: await testRedisUrl(),
        logger: pino({ level: 'silent' }),
        billing: settings,
        sweepMs: SWEEP_MS,
      })
    : undefined;

  const settled = () =>
    vi.waitFor(
      async () => {
        const [open] = await api.sql<{ count: number }[]>`
          select count(*)::int as count from stripe_events where status = 'received'`;
        expect({ undelivered: stripe.webhooks.pending, unapplied: open?.count }).toEqual({
          undelivered: 0,
          unapplied: 0,
        });
      },
      { timeout: 15_000, interval: 25 },
    );
  const checkout: BillingFixture['checkout'] = async (accountId, amountUsd, saveCard = false) => {
    const { topUp } = await api.mutate(
      'topUpCheckoutCreate',
      { accountId, amountUsd, saveCard, idempotencyKey: randomUUID() },
      'topUp { id } checkoutUrl',
    );
    const session = Object.values(stripe.book.sessions).at(-1);
    if (session === undefined) throw new Error('No session was made');
    return { topUpId: topUp.id, session };
  };
  const openAccount = async () => (await api.openAccount()).accountId;
  return {
    api,
    stripe,
    settings,
    schemaProblems,
    openAccount,
    checkout,
    settled,
    accountWithCard: async (cardNumber = GOOD_CARD) => {
      const accountId = await openAccount();
      const { session } = await checkout(accountId, '10.00', true);
      const intent = stripe.payments.payByCard(session, cardNumber);
      if (intent?.status === 'requires_action') stripe.payments.confirm(intent, true);
      await settled();
      return accountId;
    },
    topUpWithCard: (accountId, amountUsd, idempotencyKey = randomUUID()) =>
      api.mutate(
        'topUpCreate',
        { accountId, amountUsd, idempotencyKey },
        'topUp { id status failureMessage } requiredAction { url }',
      ),
    statusOf: async (topUpId) => {
      const { data } = await api.call('query ($id: ID!) { node(id: $id) { ... on TopUp { status } } }', {
        variables: { id: topUpId },
      });
      return data.node.status;
    },
    balanceOf: async (accountId) => {
      const { data } = await api.call('query ($id: ID!) { account(id: $id) { balance { ledgerUsd } } }', {
        variables: { id: accountId },
      });
      return data.account.balance.ledgerUsd;
    },
    intentOf: (session) => {
      const intent = stripe.book.intents[session.intent ?? ''];
      if (intent === undefined) throw new Error('The session has no payment yet');
      return intent;
    },
    close: async () => {
      await jobs?.close();
      await stripe.close();
      await api.close();
      expect(schemaProblems).toEqual([]);
    },
  };
}
