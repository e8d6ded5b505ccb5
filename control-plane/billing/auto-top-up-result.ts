import { eq, sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { billingProfiles } from '#db/schema/billing.ts';
import type { TopUp } from './begin-top-up.ts';

/** After this many declines in a row automatic top-up switches itself off and says so. */
export const MAX_AUTO_DECLINES = 3;
const FIRST_PAUSE_MINUTES = 60;

/** A decline pauses automatic top-up, longer each time, until it is switched off with the reason; a success clears it. */
export async function noteAutoTopUpResult(
  tx: Transaction,
  topUp: TopUp,
  result: 'succeeded' | 'declined',
): Promise<void> {
  const declines = result === 'succeeded' ? sql`0` : sql`${billingProfiles.autoDeclines} + 1`;
  const [profile] = await tx
    .update(billingProfiles)
    .set({
      autoDeclines: declines,
      autoNextAttemptAt:
        result === 'succeeded'
          ? null
          : sql`now() + make_interval(mins => ${FIRST_PAUSE_MINUTES} * (4 ^ ${billingProfiles.autoDeclines})::int)`,
    })
    .where(eq(billingProfiles.accountId, topUp.accountId))
    .returning({ declines: billingProfiles.autoDeclines });
  if ((profile?.declines ?? 0) < MAX_AUTO_DECLINES) return;
  await tx
    .update(billingProfiles)
    .set({
      autoTopUpEnabled: false,
      autoDisabledReason: `The card was declined ${MAX_AUTO_DECLINES} times in a row. Check the card and switch automatic top-up on again.`,
    })
    .where(eq(billingProfiles.accountId, topUp.accountId));
}
