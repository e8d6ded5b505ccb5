import { and, eq, isNull, ne } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { accessTokens } from '#db/schema/accounts.ts';
import { systemClock } from '#shared/clock.ts';
import { mintId } from '../mint-id.ts';
import { digestAccessToken } from './access-token.ts';

/**
 * Makes `secret` the operator token called `name`; an earlier token of that name stops working. Only the digest is
 * stored. Idempotent.
 */
export async function ensureOperatorToken(
  tx: Transaction,
  input: { name: string; secret: string },
): Promise<void> {
  const digest = digestAccessToken(input.secret);
  await tx
    .update(accessTokens)
    .set({ revokedAt: new Date(systemClock.nowMs()) })
    .where(
      and(
        eq(accessTokens.kind, 'operator'),
        eq(accessTokens.name, input.name),
        ne(accessTokens.digest, digest),
        isNull(accessTokens.revokedAt),
      ),
    );
  await tx
    .insert(accessTokens)
    .values({ id: mintId(), kind: 'operator', accountId: null, name: input.name, digest })
    .onConflictDoUpdate({ target: accessTokens.digest, set: { revokedAt: null } });
}
