import { eq } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { accounts } from '#db/schema/accounts.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { accountStatusChanged } from '../webhooks/event-types.ts';
import { recordEvents } from '../webhooks/record-events.ts';
import type { Reach } from './authorize.ts';
import { lockAccount, ownsAccount } from './find-account.ts';

/**
 * Suspends an account (all its keys answer `user_inactive`) or makes it active again. For who owns it: operators, and the
 * partner of a customer, who cannot undo what an operator or a dispute has done. Idempotent: setting the status it already has changes
 * nothing, but an operator's suspension takes the place of a partner's.
 */
export async function setAccountStatus(
  tx: Transaction,
  reach: Reach,
  input: { accountId: string; status: 'active' | 'suspended' },
): Promise<Outcome<{ accountId: string }>> {
  const account = await lockAccount(tx, input.accountId);
  if (!account || !ownsAccount(reach, account))
    return refused([userError('NOT_FOUND', 'No such account.', 'accountId')]);
  const by = reach === 'everywhere' ? 'operator' : 'partner';
  if (account.suspendedBy === 'dispute' && by === 'partner' && input.status === 'active')
    return refused([
      userError(
        'SUSPENDED_BY_OPERATOR',
        'It is suspended because a payment is disputed. Ask the operator.',
        'accountId',
      ),
    ]);
  if (account.suspendedBy === 'operator' && by === 'partner' && input.status === 'active')
    return refused([
      userError('SUSPENDED_BY_OPERATOR', 'An operator has suspended this account.', 'accountId'),
    ]);
  const changes = account.status !== input.status;
  if (changes || (by === 'operator' && input.status === 'suspended' && account.suspendedBy !== by))
    await tx
      .update(accounts)
      .set({ status: input.status, suspendedBy: input.status === 'suspended' ? by : null })
      .where(eq(accounts.id, input.accountId));
  if (changes) {
    await recordConfigChange(tx, { entity: 'account', entityId: input.accountId });
    await recordEvents(tx, [accountStatusChanged(input.accountId, input.status)]);
  }
  return succeeded({ accountId: input.accountId });
}
