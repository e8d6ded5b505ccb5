import { and, eq, gt, isNull, sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { accountInvitations, accountMembers } from '#db/schema/people.ts';
import { systemClock } from '#shared/clock.ts';
import { digestAccessToken } from '../accounts/access-token.ts';
import type { Actor } from '../accounts/authorize.ts';
import type { Role } from '../accounts/permissions.ts';
import { mintId } from '../mint-id.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';

const MAX_TOKEN_LENGTH = 256;

/**
 * Makes the person a member of the account that invited its confirmed e-mail address. The token alone is not enough: mail
 * gets forwarded.
 */
export async function acceptInvitation(
  tx: Transaction,
  actor: Actor,
  { token }: { token: string },
): Promise<Outcome<{ memberId: string; accountId: string; role: Role }>> {
  const invalid = refused([
    userError(
      'INVITATION_INVALID',
      'This invitation is not open to the e-mail address of your session.',
      'token',
    ),
  ]);
  if (actor.kind !== 'user' || !actor.emailVerified || token.length > MAX_TOKEN_LENGTH) return invalid;
  const [invitation] = await tx
    .update(accountInvitations)
    .set({ acceptedAt: new Date(systemClock.nowMs()) })
    .where(
      and(
        eq(accountInvitations.digest, digestAccessToken(token)),
        eq(accountInvitations.email, actor.email.toLowerCase()),
        isNull(accountInvitations.acceptedAt),
        isNull(accountInvitations.revokedAt),
        gt(accountInvitations.expiresAt, sql`now()`),
      ),
    )
    .returning({ accountId: accountInvitations.accountId, role: accountInvitations.role });
  if (!invitation) return invalid;
  const [member] = await tx
    .insert(accountMembers)
    .values({ id: mintId(), accountId: invitation.accountId, userId: actor.userId, role: invitation.role })
    .onConflictDoNothing()
    .returning({ id: accountMembers.id });
  if (!member) return refused([userError('ALREADY_MEMBER', 'You are a member already.', 'token')]);
  return succeeded({ memberId: member.id, accountId: invitation.accountId, role: invitation.role });
}
