import { and, eq, ne } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { accounts } from '#db/schema/accounts.ts';
import { accountMembers } from '#db/schema/people.ts';
import { reachesAccount } from '../accounts/authorize.ts';
import type { Role } from '../accounts/permissions.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import type { InvitingReach } from './invite-member.ts';

type Member = Pick<typeof accountMembers.$inferSelect, 'id' | 'accountId' | 'userId' | 'role'>;

/** Gives a member another role. Owners are made and unmade by owners, and one always remains. Idempotent. */
export async function setMemberRole(
  tx: Transaction,
  reach: InvitingReach,
  { memberId, role }: { memberId: string; role: Role },
): Promise<Outcome<{ memberId: string }>> {
  const found = await lockMember(tx, reach, memberId, role === 'owner');
  if (!found.ok) return found;
  if (found.value.role === role) return succeeded({ memberId });
  if (await isLastOwner(tx, found.value))
    return refused([userError('LAST_OWNER', 'The account would have no owner left.', 'role')]);
  await tx.update(accountMembers).set({ role }).where(eq(accountMembers.id, memberId));
  return succeeded({ memberId });
}

/** Ends a membership; everybody may end their own (`self`), but the last owner stays. */
export async function removeMember(
  tx: Transaction,
  reach: InvitingReach,
  { memberId, self }: { memberId: string; self: string | null },
): Promise<Outcome<{ memberId: string; accountId: string }>> {
  const [own] =
    self === null
      ? []
      : await tx
          .select({ accountId: accountMembers.accountId })
          .from(accountMembers)
          .where(and(eq(accountMembers.id, memberId), eq(accountMembers.userId, self)));
  const everywhere = { members: 'everywhere', owners: 'everywhere' } as const;
  const found = await lockMember(tx, own ? everywhere : reach, memberId, false);
  if (!found.ok) return found;
  if (await isLastOwner(tx, found.value))
    return refused([userError('LAST_OWNER', 'The account would have no owner left.', 'memberId')]);
  await tx.delete(accountMembers).where(eq(accountMembers.id, memberId));
  return succeeded({ memberId, accountId: found.value.accountId });
}

/** Locks the account first, so that two owners cannot unmake each other at the same moment. */
async function lockMember(
  tx: Transaction,
  reach: InvitingReach,
  memberId: string,
  becomesOwner: boolean,
): Promise<Outcome<Member>> {
  const columns = {
    id: accountMembers.id,
    accountId: accountMembers.accountId,
    userId: accountMembers.userId,
    role: accountMembers.role,
  };
  const [known] = await tx.select(columns).from(accountMembers).where(eq(accountMembers.id, memberId));
  if (known) await tx.select().from(accounts).where(eq(accounts.id, known.accountId)).for('update');
  const [member] = await tx.select(columns).from(accountMembers).where(eq(accountMembers.id, memberId));
  if (!member || !(await reachesAccount(tx, reach.members, member.accountId)))
    return refused([userError('NOT_FOUND', 'No such member.', 'memberId')]);
  const ownership = becomesOwner || member.role === 'owner';
  if (ownership && !(await reachesAccount(tx, reach.owners, member.accountId)))
    return refused([userError('FORBIDDEN', 'Only owners make and unmake owners.', 'memberId')]);
  return succeeded(member);
}

async function isLastOwner(tx: Transaction, member: Member): Promise<boolean> {
  if (member.role !== 'owner') return false;
  const [other] = await tx
    .select({ id: accountMembers.id })
    .from(accountMembers)
    .where(
      and(
        eq(accountMembers.accountId, member.accountId),
        eq(accountMembers.role, 'owner'),
        ne(accountMembers.id, member.id),
      ),
    )
    .limit(1);
  return other === undefined;
}
