import { randomUUID } from 'node:crypto';
import type { BookedIntent } from '#control-plane/development/fake-stripe/stripe-book.ts';
import {
  type BillingFixture,
  CARD_THAT_ASKS,
  CARD_THAT_FAILS_LATER,
  GOOD_CARD,
} from '#test/control-plane/billing/billing-fixture.ts';
import type { SeededRandom } from '../seeded-random.ts';

const DECLINED_CARDS = ['4000000000000002', '4000000000009995'];
/** While nothing is told, every page counts as open, and an account may have only so many. */
const MOST_PAGES = 8;
const AMOUNTS_USD = ['10.00', '12.34', '20.00', '50.00', '99.99'];

/**
 * A month of customers: they pay by card and Alipay, are declined, answer their bank or do not, let pages expire, are
 * refunded and dispute. Nothing of it is told to the product yet: webhooks are held back by the caller.
 */
export async function playMonth(
  billing: BillingFixture,
  random: SeededRandom,
  payments: number,
): Promise<readonly string[]> {
  const accounts: string[] = [];
  const pages = new Map<string, number>();
  const openOne = async () => {
    accounts.push(await billing.openAccount());
    return accounts.at(-1) ?? '';
  };
  for (let count = 0; count < payments; count += 1) {
    const free = accounts.filter((id) => (pages.get(id) ?? 0) < MOST_PAGES);
    if (free.length === 0 || random.next() < 0.5) free.push(await openOne());
    const accountId = free[random.between(0, free.length)] ?? '';
    pages.set(accountId, (pages.get(accountId) ?? 0) + 1);
    const amountUsd = AMOUNTS_USD[random.between(0, AMOUNTS_USD.length)] ?? '10.00';
    const intent = await payOnPage(billing, random, accountId, amountUsd);
    if (intent?.status === 'succeeded') await afterwards(billing, random, intent);
  }
  return accounts;
}

async function payOnPage(
  billing: BillingFixture,
  random: SeededRandom,
  accountId: string,
  amountUsd: string,
): Promise<BookedIntent | undefined> {
  const { payments } = billing.stripe;
  const { session } = await billing.checkout(accountId, amountUsd, random.next() < 0.5);
  switch (random.between(0, 8)) {
    case 0:
      payments.payByCard(session, DECLINED_CARDS[random.between(0, 2)] ?? '');
      return payments.payByCard(session, GOOD_CARD);
    case 1: {
      const intent = payments.payByCard(session, CARD_THAT_ASKS);
      if (intent) payments.confirm(intent, random.next() < 0.7);
      return intent;
    }
    case 2: {
      const intent = payments.payByAlipay(session);
      if (intent) payments.settleAlipay(intent, random.next() < 0.7);
      return intent;
    }
    case 3:
      payments.payByCard(session, DECLINED_CARDS[0] ?? '');
      payments.expire(session);
      return undefined;
    case 4:
      return payments.payByCard(session, CARD_THAT_FAILS_LATER);
    default:
      return payments.payByCard(session, GOOD_CARD);
  }
}

/** Some payments are disputed, others partly refunded on Stripe's own pages; some of those refunds bounce. */
async function afterwards(
  { stripe }: BillingFixture,
  random: SeededRandom,
  intent: BookedIntent,
): Promise<void> {
  const { payments } = stripe;
  const fate = random.next();
  if (fate < 0.15) {
    const disputeId = payments.openDispute(intent) ?? '';
    const verdict = random.between(0, 3);
    if (verdict > 0) payments.closeDispute(disputeId, verdict === 1 ? 'won' : 'lost');
  } else if (fate < 0.35) {
    const refund = payments.refund(intent, random.between(100, 1_000), { note: randomUUID() });
    if (refund && random.next() < 0.3) payments.failRefund(refund);
  }
}

/** Cents of credit that an account should have, by the stand-in's own book and nothing of ours but the fee's rule. */
export function creditByBook({ stripe }: BillingFixture, accountId: string): number {
  const { intents, refunds, disputes } = stripe.book;
  let cents = 0;
  for (const intent of Object.values(intents)) {
    const owner = intent.metadata.account_id?.replaceAll('-', '') ?? '';
    if (intent.status !== 'succeeded' || !accountId.endsWith(owner)) continue;
    const credit = creditWithin(intent.amount);
    cents += credit;
    for (const refund of Object.values(refunds))
      if (refund.intent === intent.id && refund.status === 'succeeded')
        cents -= Math.min(refund.amount, credit);
    for (const dispute of Object.values(disputes))
      if (dispute.intent === intent.id && dispute.status !== 'won') cents -= Math.min(dispute.amount, credit);
  }
  return cents;
}

/** The credit that comes to this charge with a fee of 5.5 %, rounded to the cent. */
function creditWithin(charge: number): number {
  for (let credit = 1; credit <= charge; credit += 1)
    if (credit + Math.floor((credit * 55 + 500) / 1_000) === charge) return credit;
  throw new Error(`No credit comes to a charge of ${charge} cents`);
}
