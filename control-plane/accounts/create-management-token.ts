import { eq } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { accessTokens, accounts } from '#db/schema/accounts.ts';
import { systemClock } from '#shared/clock.ts';
import { checkExpiry, checkName } from '../input-rules.ts';
import { mintId } from '../mint-id.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { mintAccessToken } from './access-token.ts';

/** Makes a token that manages one account through the API. The secret is in this result and nowhere else. */
export async function createManagementToken(
  tx: Transaction,
  input: { accountId: string; name: string; expiresAt: Date | null },
): Promise<Outcome<{ managementTokenId: string; secret: string }>> {
  const errors = [
    ...checkName(input.name, 'name'),
    ...checkExpiry(input.expiresAt, systemClock.nowMs(), 'expiresAt'),
  ];
  if (errors.length > 0) return refused(errors);
  const [account] = await tx
    .select({ id: accounts.id })
    .from(accounts)
    .where(eq(accounts.id, input.accountId));
  if (!account) return refused([userError('NOT_FOUND', 'No such account.', 'accountId')]);
  const { secret, digest } = mintAccessToken('management');
  const id = mintId();
  await tx.insert(accessTokens).values({
    id,
    kind: 'management',
    accountId: input.accountId,
    name: input.name,
    digest,
    expiresAt: input.expiresAt,
  });
  return succeeded({ managementTokenId: id, secret });
}
