import { and, eq, getTableColumns, inArray, isNull } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { accountInvitations, accountMembers, users } from '#db/schema/people.ts';
import { type IdRange, parentId, parentRows, rangeOrder, withinRange } from '../id-range.ts';

const memberColumns = { ...getTableColumns(accountMembers), name: users.name, email: users.email };
export type MemberRow = typeof accountMembers.$inferSelect & { name: string; email: string };

const { digest: _, ...invitationColumns } = getTableColumns(accountInvitations);
export type InvitationRow = Omit<typeof accountInvitations.$inferSelect, 'digest'>;

/** A stretch of the members of each account, in no order. One statement for all accounts. */
export async function listMembersOf(
  database: Database,
  accountIds: readonly string[],
  range: IdRange,
): Promise<MemberRow[]> {
  const page = database
    .select(memberColumns)
    .from(accountMembers)
    .innerJoin(users, eq(users.id, accountMembers.userId))
    .where(and(eq(accountMembers.accountId, parentId), ...withinRange(accountMembers.id, range)))
    .orderBy(rangeOrder(accountMembers.id, range))
    .limit(range.limit)
    .as('page');
  return await database.select(page._.selectedFields).from(parentRows(accountIds)).crossJoinLateral(page);
}

export async function findMembers(database: Database, ids: readonly string[]): Promise<MemberRow[]> {
  return await database
    .select(memberColumns)
    .from(accountMembers)
    .innerJoin(users, eq(users.id, accountMembers.userId))
    .where(inArray(accountMembers.id, [...ids]));
}

/** A stretch of the open invitations of each account, expired ones included, in no order. One statement for all. */
export async function listInvitationsOf(
  database: Database,
  accountIds: readonly string[],
  range: IdRange,
): Promise<InvitationRow[]> {
  const page = database
    .select(invitationColumns)
    .from(accountInvitations)
    .where(
      and(
        eq(accountInvitations.accountId, parentId),
        isNull(accountInvitations.acceptedAt),
        isNull(accountInvitations.revokedAt),
        ...withinRange(accountInvitations.id, range),
      ),
    )
    .orderBy(rangeOrder(accountInvitations.id, range))
    .limit(range.limit)
    .as('page');
  return await database.select(page._.selectedFields).from(parentRows(accountIds)).crossJoinLateral(page);
}

export async function findInvitations(database: Database, ids: readonly string[]): Promise<InvitationRow[]> {
  return await database
    .select(invitationColumns)
    .from(accountInvitations)
    .where(inArray(accountInvitations.id, [...ids]));
}
