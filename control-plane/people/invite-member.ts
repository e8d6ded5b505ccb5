import { and, count, eq, gt, isNull, sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { accounts } from '#db/schema/accounts.ts';
import { accountInvitations, accountMembers, users } from '#db/schema/people.ts';
import { systemClock } from '#shared/clock.ts';
import { mintAccessToken } from '../accounts/access-token.ts';
import { type Reach, reachesAccount } from '../accounts/authorize.ts';
import type { Role } from '../accounts/permissions.ts';
import { mintId } from '../mint-id.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';

const INVITATION_MS = 7 * 86_400_000;
const MAX_OPEN_INVITATIONS = 100;
const MAX_EMAIL_LENGTH = 254;
const EMAIL_PATTERN = /^[^\s@<>(),;:"\\[\]]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/;

/** Where the caller may invite; owners are a matter of their own. */
export interface InvitingReach {
  readonly members: Reach;
  readonly owners: Reach;
}

/**
 * Invites somebody to an account by e-mail address, for a week. The token is in this result, for the mail, and nowhere
 * else. A second invitation of the same address takes the place of the first.
 */
export async function inviteMember(
  tx: Transaction,
  reach: InvitingReach,
  input: { accountId: string; email: string; role: Role },
): Promise<Outcome<{ invitationId: string; accountName: string; email: string; token: string }>> {
  const email = input.email.trim().toLowerCase();
  if (email.length > MAX_EMAIL_LENGTH || !EMAIL_PATTERN.test(email))
    return refused([userError('INVALID_INPUT', 'Not an e-mail address.', 'email')]);
  if (!(await reachesAccount(tx, reach.members, input.accountId)))
    return refused([userError('NOT_FOUND', 'No such account.', 'accountId')]);
  if (input.role === 'owner' && !(await reachesAccount(tx, reach.owners, input.accountId)))
    return refused([userError('FORBIDDEN', 'Only owners make owners.', 'role')]);
  const [account] = await tx
    .select({ name: accounts.name })
    .from(accounts)
    .where(eq(accounts.id, input.accountId))
    .for('update');
  const [member] = await tx
    .select({ id: accountMembers.id })
    .from(accountMembers)
    .innerJoin(users, eq(users.id, accountMembers.userId))
    .where(and(eq(accountMembers.accountId, input.accountId), eq(users.email, email)));
  if (member) return refused([userError('ALREADY_MEMBER', 'This person is a member already.', 'email')]);
  const now = new Date(systemClock.nowMs());
  const open = and(
    eq(accountInvitations.accountId, input.accountId),
    isNull(accountInvitations.acceptedAt),
    isNull(accountInvitations.revokedAt),
  );
  await tx
    .update(accountInvitations)
    .set({ revokedAt: now })
    .where(and(open, eq(accountInvitations.email, email)));
  const [waiting] = await tx
    .select({ count: count() })
    .from(accountInvitations)
    .where(and(open, gt(accountInvitations.expiresAt, sql`now()`)));
  if ((waiting?.count ?? 0) >= MAX_OPEN_INVITATIONS)
    return refused([
      userError('INVALID_INPUT', `At most ${MAX_OPEN_INVITATIONS} invitations wait at one time.`, 'email'),
    ]);
  const { secret: token, digest } = mintAccessToken('invitation');
  const invitationId = mintId();
  await tx.insert(accountInvitations).values({
    id: invitationId,
    accountId: input.accountId,
    email,
    role: input.role,
    digest,
    expiresAt: new Date(now.getTime() + INVITATION_MS),
  });
  return succeeded({ invitationId, accountName: account?.name ?? '', email, token });
}
