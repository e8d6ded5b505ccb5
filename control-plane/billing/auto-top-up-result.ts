import { eq, sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { billingProfiles } from '#db/schema/billing.ts';
import type { TopUp } from './begin-top-up.ts';
import { noticeAutoTopUpDeclined } from './billing-notices.ts';

/** After this many declines in a row automatic top-up switches itself off and says so. */
export const MAX_AUTO_DECLINES = 3;
const FIRST_PAUSE_MINUTES = 60;

/**
 * A decline pauses automatic top-up, longer each time, until it is switched off with the reason; a success clears it. The
 * account's members hear of each decline.
 */
export async function noteAutoTopUpResult(
  tx: Transaction,
  topUp: TopUp,
  result: 'succeeded' | 'declined',
): Promise<void> {
  const ofAccount = eq(billingProfiles.accountId, topUp.accountId);
  if (result === 'succeeded') {
    await tx
      .update(billingProfiles)
      .set({ autoDeclines: 0, autoNextAttemptAt: null, autoDisabledReason: null })
      .where(ofAccount);
    return;
  }
  const [profile] = await tx
    .update(billingProfiles)
    .set({
      autoDeclines: sql`${billingProfiles.autoDeclines} + 1`,
      autoNextAttemptAt: sql`now() + make_interval(mins => ${FIRST_PAUSE_MINUTES} * (4 ^ ${billingProfiles.autoDeclines})::int)`,
    })
    .where(ofAccount)
    .returning({ declines: billingProfiles.autoDeclines, nextAttemptAt: billingProfiles.autoNextAttemptAt });
  if (profile === undefined) return;
  const disabledReason =
    profile.declines < MAX_AUTO_DECLINES
      ? null
      : `The card was declined ${MAX_AUTO_DECLINES} times in a row. Check the card and switch automatic top-up on again.`;
  if (disabledReason !== null)
    await tx
      .update(billingProfiles)
      .set({ autoTopUpEnabled: false, autoDisabledReason: disabledReason })
      .where(ofAccount);
  await noticeAutoTopUpDeclined(tx, topUp, { nextAttemptAt: profile.nextAttemptAt, disabledReason });
}
