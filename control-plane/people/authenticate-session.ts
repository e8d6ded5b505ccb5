import { eq } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { accountMembers } from '#db/schema/people.ts';
import type { Actor } from '../accounts/authorize.ts';
import type { SignIn } from './open-sign-in.ts';

/** The person behind a session cookie, with all memberships; `undefined` without a session that is in force. */
export async function authenticateSession(
  database: Database,
  signIn: SignIn,
  cookie: string,
): Promise<Actor | undefined> {
  const found = await signIn.api.getSession({
    headers: new Headers({ cookie }),
    // Renewal would need a cookie in this answer; the sign-in paths do it.
    query: { disableRefresh: true },
  });
  if (!found) return undefined;
  const { user } = found;
  const memberships = await database
    .select({ accountId: accountMembers.accountId, role: accountMembers.role })
    .from(accountMembers)
    .where(eq(accountMembers.userId, user.id));
  return {
    kind: 'user',
    userId: user.id,
    email: user.email,
    name: user.name,
    emailVerified: user.emailVerified,
    roles: new Map(memberships.map(({ accountId, role }) => [accountId, role])),
  };
}
