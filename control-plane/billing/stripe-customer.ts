import { eq, sql } from 'drizzle-orm';
import { accounts } from '#db/schema/accounts.ts';
import { billingProfiles } from '#db/schema/billing.ts';
import type { BillingContext } from './billing-context.ts';

/** The account's customer at Stripe, made at the first payment. Two at once get the same one. */
export async function ensureStripeCustomer(
  { database, stripe }: BillingContext,
  accountId: string,
): Promise<string> {
  const known = await readCustomer(database, accountId);
  if (known !== undefined) return known;
  const [account] = await database
    .select({ name: accounts.name })
    .from(accounts)
    .where(eq(accounts.id, accountId));
  const customer = await stripe.customers.create(
    { ...(account && { name: account.name }), metadata: { account_id: accountId } },
    { idempotencyKey: `customer:${accountId}` },
  );
  await database
    .insert(billingProfiles)
    .values({ accountId, stripeCustomerId: customer.id })
    .onConflictDoUpdate({
      target: billingProfiles.accountId,
      set: { stripeCustomerId: sql`coalesce(${billingProfiles.stripeCustomerId}, ${customer.id})` },
    });
  return (await readCustomer(database, accountId)) ?? customer.id;
}

async function readCustomer(
  database: BillingContext['database'],
  accountId: string,
): Promise<string | undefined> {
  const [profile] = await database
    .select({ id: billingProfiles.stripeCustomerId })
    .from(billingProfiles)
    .where(eq(billingProfiles.accountId, accountId));
  return profile?.id ?? undefined;
}
