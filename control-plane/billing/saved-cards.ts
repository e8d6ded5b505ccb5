import { and, desc, eq, isNull, sql } from 'drizzle-orm';
import type Stripe from 'stripe';
import type { Database, Transaction } from '#db/client.ts';
import { billingProfiles, savedCards } from '#db/schema/billing.ts';
import { mintId } from '../mint-id.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import type { BillingContext } from './billing-context.ts';
import { noticeAutoTopUpOff } from './billing-notices.ts';
import { ignoreStripeFailure } from './stripe-client.ts';

export type SavedCard = typeof savedCards.$inferSelect;

/**
 * Keeps a card that the customer agreed to keep. The first one becomes the default. Only cards can be kept, and the same
 * card once: paying with it again on the page changes nothing.
 */
export async function rememberCard(
  tx: Transaction,
  accountId: string,
  method: Stripe.PaymentMethod,
): Promise<void> {
  if (method.type !== 'card' || !method.card) return;
  const { brand, last4, exp_month: expiryMonth, exp_year: expiryYear, fingerprint } = method.card;
  const kept = await tx
    .select()
    .from(savedCards)
    .where(and(eq(savedCards.accountId, accountId), isNull(savedCards.removedAt)));
  const isSame = (card: SavedCard) =>
    card.stripePaymentMethodId !== method.id &&
    card.fingerprint === fingerprint &&
    card.expiryMonth === expiryMonth &&
    card.expiryYear === expiryYear;
  if (fingerprint && kept.some(isSame)) return;
  await tx
    .insert(savedCards)
    .values({
      id: mintId(),
      accountId,
      stripePaymentMethodId: method.id,
      brand,
      last4,
      expiryMonth,
      expiryYear,
      fingerprint: fingerprint ?? null,
      isDefault: kept.length === 0,
    })
    .onConflictDoUpdate({
      target: savedCards.stripePaymentMethodId,
      set: { brand, last4, expiryMonth, expiryYear },
    });
}

/** Cards that can be used, the default first. */
export async function listSavedCards(database: Database, accountId: string): Promise<SavedCard[]> {
  return await database
    .select()
    .from(savedCards)
    .where(and(eq(savedCards.accountId, accountId), isNull(savedCards.removedAt)))
    .orderBy(desc(savedCards.isDefault), desc(savedCards.id));
}

async function lockCard(tx: Transaction, accountId: string, cardId: string): Promise<SavedCard | undefined> {
  const [card] = await tx
    .select()
    .from(savedCards)
    .where(and(eq(savedCards.id, cardId), eq(savedCards.accountId, accountId), isNull(savedCards.removedAt)))
    .for('update');
  return card;
}

const NO_SUCH_CARD = refused([userError('NOT_FOUND', 'No such saved card.', 'paymentMethodId')]);

/** The card that one-tap and automatic top-ups use when none is named. */
export async function setDefaultCard(
  tx: Transaction,
  accountId: string,
  cardId: string,
): Promise<Outcome<{ cardId: string }>> {
  if ((await lockCard(tx, accountId, cardId)) === undefined) return NO_SUCH_CARD;
  await tx.update(savedCards).set({ isDefault: false }).where(eq(savedCards.accountId, accountId));
  await tx.update(savedCards).set({ isDefault: true }).where(eq(savedCards.id, cardId));
  return succeeded({ cardId });
}

/**
 * Forgets a card, here first: nothing of ours can use it from then on, whether or not Stripe hears of it at once. Without
 * any card left automatic top-up is switched off.
 */
export async function removeCard(
  { database, stripe }: BillingContext,
  accountId: string,
  cardId: string,
): Promise<Outcome<{ cardId: string }>> {
  const removed = await database.transaction(async (tx) => {
    const card = await lockCard(tx, accountId, cardId);
    if (card === undefined) return undefined;
    await forgetCard(tx, card);
    return card;
  });
  if (removed === undefined) return NO_SUCH_CARD;
  // Should this fail, Stripe keeps a card that nothing of ours will ever charge.
  await stripe.paymentMethods.detach(removed.stripePaymentMethodId).catch(ignoreStripeFailure);
  return succeeded({ cardId });
}

/** Stripe says that a payment method is no longer the customer's. */
export async function noteDetachedCard(database: Database, stripePaymentMethodId: string): Promise<void> {
  await database.transaction(async (tx) => {
    const [card] = await tx
      .select()
      .from(savedCards)
      .where(and(eq(savedCards.stripePaymentMethodId, stripePaymentMethodId), isNull(savedCards.removedAt)))
      .for('update');
    if (card !== undefined) await forgetCard(tx, card);
  });
}

async function forgetCard(tx: Transaction, card: SavedCard): Promise<void> {
  await tx
    .update(savedCards)
    .set({ removedAt: sql`now()`, isDefault: false })
    .where(eq(savedCards.id, card.id));
  const [next] = await tx
    .select({ id: savedCards.id })
    .from(savedCards)
    .where(and(eq(savedCards.accountId, card.accountId), isNull(savedCards.removedAt)))
    .orderBy(desc(savedCards.isDefault), desc(savedCards.id))
    .limit(1);
  if (next !== undefined)
    await tx.update(savedCards).set({ isDefault: true }).where(eq(savedCards.id, next.id));
  else {
    const switchedOff = await tx
      .update(billingProfiles)
      .set({ autoTopUpEnabled: false, autoDisabledReason: 'No saved card is left.' })
      .where(and(eq(billingProfiles.accountId, card.accountId), billingProfiles.autoTopUpEnabled))
      .returning({ accountId: billingProfiles.accountId });
    if (switchedOff.length > 0) await noticeAutoTopUpOff(tx, card.accountId, `auto_top_up_off:${card.id}`);
  }
}
