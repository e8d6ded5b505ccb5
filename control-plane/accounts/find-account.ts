import { eq } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { accounts } from '#db/schema/accounts.ts';
import type { Reach } from './authorize.ts';

type AccountFacts = Pick<
  typeof accounts.$inferSelect,
  'id' | 'kind' | 'partnerId' | 'status' | 'suspendedBy'
>;

const columns = {
  id: accounts.id,
  kind: accounts.kind,
  partnerId: accounts.partnerId,
  status: accounts.status,
  suspendedBy: accounts.suspendedBy,
};

export async function findAccount(tx: Transaction, accountId: string): Promise<AccountFacts | undefined> {
  const [row] = await tx.select(columns).from(accounts).where(eq(accounts.id, accountId));
  return row;
}

/** As {@link findAccount}, and locks the row for a change. */
export async function lockAccount(tx: Transaction, accountId: string): Promise<AccountFacts | undefined> {
  const [row] = await tx.select(columns).from(accounts).where(eq(accounts.id, accountId)).for('update');
  return row;
}

/** True for operators and for the partner that owns the account; an account does not own itself. */
export function ownsAccount(reach: Reach, account: Pick<AccountFacts, 'partnerId'>): boolean {
  return (
    reach === 'everywhere' || (account.partnerId !== null && reach.accountIds.includes(account.partnerId))
  );
}
