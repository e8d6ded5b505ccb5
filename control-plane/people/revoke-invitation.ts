import { and, eq, isNull } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { accountInvitations } from '#db/schema/people.ts';
import { systemClock } from '#shared/clock.ts';
import { type Reach, reachesAccount } from '../accounts/authorize.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';

/** Ends an invitation that nobody has accepted. Idempotent. */
export async function revokeInvitation(
  tx: Transaction,
  reach: Reach,
  { invitationId }: { invitationId: string },
): Promise<Outcome<{ invitationId: string }>> {
  const [invitation] = await tx
    .select({ accountId: accountInvitations.accountId, acceptedAt: accountInvitations.acceptedAt })
    .from(accountInvitations)
    .where(eq(accountInvitations.id, invitationId))
    .for('update');
  if (!invitation || invitation.acceptedAt || !(await reachesAccount(tx, reach, invitation.accountId)))
    return refused([userError('NOT_FOUND', 'No such open invitation.', 'invitationId')]);
  await tx
    .update(accountInvitations)
    .set({ revokedAt: new Date(systemClock.nowMs()) })
    .where(and(eq(accountInvitations.id, invitationId), isNull(accountInvitations.revokedAt)));
  return succeeded({ invitationId });
}
