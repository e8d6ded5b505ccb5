import { and, eq, inArray } from 'drizzle-orm';
import type { Database, Transaction } from '#db/client.ts';
import { accountAlerts } from '#db/schema/alerts.ts';
import { accountMembers } from '#db/schema/people.ts';
import { parseUsd } from '#shared/money.ts';
import { type Reach, reachesAccount } from '../accounts/authorize.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { markLowBalances } from './mark-low-balances.ts';

export type AlertSettings = typeof accountAlerts.$inferSelect;

/**
 * Sets the balance below which an account is warned, USD; `null`: no warning. A balance that is below a new threshold is
 * told at once.
 */
export async function updateAlerts(
  tx: Transaction,
  reach: Reach,
  { accountId, lowBalanceUsd }: { accountId: string; lowBalanceUsd: string | null },
): Promise<Outcome<{ accountId: string }>> {
  const lowBalanceNano = lowBalanceUsd === null ? null : parseUsd(lowBalanceUsd);
  if (lowBalanceNano === undefined || (lowBalanceNano !== null && lowBalanceNano <= 0n))
    return refused([userError('INVALID_INPUT', 'The threshold is USD, more than 0.', 'lowBalanceUsd')]);
  if (!(await reachesAccount(tx, reach, accountId)))
    return refused([userError('NOT_FOUND', 'No such account.', 'accountId')]);
  const [present] = await tx
    .select({ lowBalanceNano: accountAlerts.lowBalanceNano })
    .from(accountAlerts)
    .where(eq(accountAlerts.accountId, accountId))
    .for('update');
  if (present && present.lowBalanceNano === lowBalanceNano) return succeeded({ accountId });
  const values = { lowBalanceNano, lowBalanceSince: null };
  await tx
    .insert(accountAlerts)
    .values({ accountId, ...values })
    .onConflictDoUpdate({ target: accountAlerts.accountId, set: values });
  await markLowBalances(tx, [accountId]);
  return succeeded({ accountId });
}

/** Whether a person wants mail about an account that it is a member of. For the person itself. Idempotent. */
export async function setAlertMail(
  tx: Transaction,
  { memberId, userId, enabled }: { memberId: string; userId: string | null; enabled: boolean },
): Promise<Outcome<{ memberId: string }>> {
  const [member] =
    userId === null
      ? []
      : await tx
          .update(accountMembers)
          .set({ alertMail: enabled })
          .where(and(eq(accountMembers.id, memberId), eq(accountMembers.userId, userId)))
          .returning({ id: accountMembers.id });
  if (!member) return refused([userError('NOT_FOUND', 'This is no membership of yours.', 'memberId')]);
  return succeeded({ memberId });
}

/** What accounts want to be warned of; those that never said have no row. */
export async function findAlerts(
  database: Database,
  accountIds: readonly string[],
): Promise<AlertSettings[]> {
  return await database
    .select()
    .from(accountAlerts)
    .where(inArray(accountAlerts.accountId, [...accountIds]));
}
