import { eq } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { accounts } from '#db/schema/accounts.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';

/**
 * Suspends an account (all its keys answer `user_inactive`) or makes it active again. Idempotent: setting the status it
 * already has changes nothing.
 */
export async function setAccountStatus(
  tx: Transaction,
  input: { accountId: string; status: 'active' | 'suspended' },
): Promise<Outcome<{ accountId: string }>> {
  const [account] = await tx
    .select({ status: accounts.status })
    .from(accounts)
    .where(eq(accounts.id, input.accountId))
    .for('update');
  if (!account) return refused([userError('NOT_FOUND', 'No such account.', 'accountId')]);
  if (account.status !== input.status) {
    await tx.update(accounts).set({ status: input.status }).where(eq(accounts.id, input.accountId));
    await recordConfigChange(tx, { entity: 'account', entityId: input.accountId });
  }
  return succeeded({ accountId: input.accountId });
}
