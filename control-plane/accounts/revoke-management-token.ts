import { and, eq, isNull } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { accessTokens } from '#db/schema/accounts.ts';
import { systemClock } from '#shared/clock.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { type Reach, reachesAccount } from './authorize.ts';

/** Ends a management token at once. Idempotent: a revoked token keeps the time of its first revocation. */
export async function revokeManagementToken(
  tx: Transaction,
  reach: Reach,
  input: { managementTokenId: string },
): Promise<Outcome<{ managementTokenId: string }>> {
  const [token] = await tx
    .select({ accountId: accessTokens.accountId })
    .from(accessTokens)
    .where(and(eq(accessTokens.id, input.managementTokenId), eq(accessTokens.kind, 'management')));
  if (!token?.accountId || !(await reachesAccount(tx, reach, token.accountId)))
    return refused([userError('NOT_FOUND', 'No such management token.', 'managementTokenId')]);
  await tx
    .update(accessTokens)
    .set({ revokedAt: new Date(systemClock.nowMs()) })
    .where(and(eq(accessTokens.id, input.managementTokenId), isNull(accessTokens.revokedAt)));
  return succeeded({ managementTokenId: input.managementTokenId });
}
