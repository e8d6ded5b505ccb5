import { and, desc, eq, gt, inArray, isNull, sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { accounts } from '#db/schema/accounts.ts';
import { savedCards, topUps } from '#db/schema/billing.ts';
import { mintId } from '../mint-id.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import type { BillingSettings } from './billing-settings.ts';
import { readTopUpAmount, usdOfCents } from './top-up-amount.ts';

/** A second click, tab or retry within this time means the same payment. */
const SAME_PAYMENT_SECONDS = 60;
/** Checkout pages that one account may have open. */
const MAX_OPEN_CHECKOUTS = 10;

export type TopUp = typeof topUps.$inferSelect;
export type TopUpChannel = TopUp['channel'];

export interface TopUpRequest {
  readonly accountId: string;
  readonly amountUsd: string;
  readonly channel: TopUpChannel;
  /** `null`: Checkout, or the default card. */
  readonly savedCardId: string | null;
  /** On the Checkout page: whether the customer agrees that the card is kept. */
  readonly saveCard?: boolean;
}

/**
 * Writes down that a payment is wanted, before Stripe hears of it: whatever happens after that, the row is there to be
 * settled or given up. The same payment asked for again within a minute is the first one: with a saved card whether or not it
 * has been made, on the Checkout page as long as nobody has paid there.
 */
export async function beginTopUp(
  tx: Transaction,
  settings: BillingSettings,
  request: TopUpRequest,
): Promise<Outcome<{ topUpId: string }>> {
  const amount = readTopUpAmount(request.amountUsd, settings, 'amountUsd');
  if (!amount.ok) return amount;
  // One payment of an account begins at a time, so that limits count what another tab has just begun.
  const [account] = await tx
    .select({ id: accounts.id })
    .from(accounts)
    .where(eq(accounts.id, request.accountId))
    .for('update');
  if (!account) return refused([userError('NOT_FOUND', 'No such account.', 'accountId')]);
  const { creditCents, feeCents } = amount.value;
  const card = request.channel === 'checkout' ? undefined : await findCard(tx, request);
  if (card === undefined && request.channel !== 'checkout')
    return refused([
      userError(
        'NOT_FOUND',
        'No saved card. Pay through Checkout first and keep the card.',
        'paymentMethodId',
      ),
    ]);
  const wished = { accountId: account.id, creditCents, saveCard: request.saveCard ?? false };
  const same =
    card === undefined
      ? (await findUntouchedPage(tx, wished))?.id
      : await findSamePayment(tx, account.id, card.id, creditCents);
  if (same !== undefined) return succeeded({ topUpId: same });
  const refusal = await checkVelocity(tx, settings, account.id, creditCents, card?.fingerprint ?? null);
  if (refusal !== undefined) return refused([refusal]);
  const id = mintId();
  await tx.insert(topUps).values({
    id,
    accountId: account.id,
    channel: request.channel,
    creditCents,
    feeCents,
    savedCardId: card?.id ?? null,
    saveCard: wished.saveCard,
    cardFingerprint: card?.fingerprint ?? null,
  });
  return succeeded({ topUpId: id });
}

async function findCard(tx: Transaction, { accountId, savedCardId }: TopUpRequest) {
  const [card] = await tx
    .select({ id: savedCards.id, fingerprint: savedCards.fingerprint })
    .from(savedCards)
    .where(
      and(
        eq(savedCards.accountId, accountId),
        isNull(savedCards.removedAt),
        savedCardId === null ? savedCards.isDefault : eq(savedCards.id, savedCardId),
      ),
    );
  return card;
}

async function findSamePayment(
  tx: Transaction,
  accountId: string,
  savedCardId: string,
  creditCents: number,
): Promise<string | undefined> {
  const [same] = await tx
    .select({ id: topUps.id })
    .from(topUps)
    .where(
      and(
        eq(topUps.accountId, accountId),
        eq(topUps.savedCardId, savedCardId),
        eq(topUps.creditCents, creditCents),
        inArray(topUps.status, ['pending', 'requires_action', 'processing', 'succeeded']),
        ASKED_A_MOMENT_AGO,
      ),
    )
    .limit(1);
  return same?.id;
}

const ASKED_A_MOMENT_AGO = gt(topUps.createdAt, sql`now() - make_interval(secs => ${SAME_PAYMENT_SECONDS})`);

/** A Checkout page for the same payment that was opened within the last minute and that nobody has tried to pay on. */
export async function findUntouchedPage(
  tx: Pick<Transaction, 'select'>,
  wished: { readonly accountId: string; readonly creditCents: number; readonly saveCard: boolean },
): Promise<TopUp | undefined> {
  const [page] = await tx
    .select()
    .from(topUps)
    .where(
      and(
        eq(topUps.accountId, wished.accountId),
        eq(topUps.channel, 'checkout'),
        eq(topUps.status, 'pending'),
        eq(topUps.creditCents, wished.creditCents),
        eq(topUps.saveCard, wished.saveCard),
        isNull(topUps.stripePaymentIntentId),
        ASKED_A_MOMENT_AGO,
      ),
    )
    .orderBy(desc(topUps.id))
    .limit(1);
  return page;
}

const WITHIN_A_DAY = gt(topUps.createdAt, sql`now() - interval '24 hours'`);

/** What stolen cards and runaway scripts look like: too much at once, or one card again and again. */
async function checkVelocity(
  tx: Transaction,
  settings: BillingSettings,
  accountId: string,
  creditCents: number,
  fingerprint: string | null,
) {
  const [sums] = await tx
    .select({
      cents: sql<string>`coalesce(sum(${topUps.creditCents}) filter (where ${topUps.status} in ('pending', 'requires_action', 'processing', 'succeeded')), 0)`,
      checkouts: sql<string>`count(*) filter (where ${topUps.channel} = 'checkout' and ${topUps.status} = 'pending')`,
    })
    .from(topUps)
    .where(and(eq(topUps.accountId, accountId), WITHIN_A_DAY));
  if (Number(sums?.cents ?? 0) + creditCents > settings.dailyAccountLimitCents)
    return userError(
      'PAYMENT_LIMIT_REACHED',
      `An account may top up ${usdOfCents(settings.dailyAccountLimitCents)} USD within 24 hours; open Checkout pages count for the hour that they live. Try again later or ask the operator.`,
      'amountUsd',
    );
  if (Number(sums?.checkouts ?? 0) >= MAX_OPEN_CHECKOUTS)
    return userError('PAYMENT_LIMIT_REACHED', 'Too many Checkout pages are open. Finish one of them first.');
  if (fingerprint === null) return undefined;
  const [uses] = await tx
    .select({ count: sql<string>`count(*)` })
    .from(topUps)
    .where(and(eq(topUps.cardFingerprint, fingerprint), WITHIN_A_DAY));
  if (Number(uses?.count ?? 0) < settings.dailyCardLimit) return undefined;
  return userError(
    'PAYMENT_LIMIT_REACHED',
    'This card was used too often within 24 hours. Use another one or try again later.',
    'paymentMethodId',
  );
}
