import { and, eq, gt, isNull, or, sql } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { accessTokens } from '#db/schema/accounts.ts';
import { digestAccessToken } from './access-token.ts';
import type { Actor } from './authorize.ts';

const MAX_TOKEN_LENGTH = 256;

/** Who presents this token; `undefined` when it is unknown, revoked or expired. One query. */
export async function authenticateToken(database: Database, token: string): Promise<Actor | undefined> {
  if (token.length > MAX_TOKEN_LENGTH) return undefined;
  const [row] = await database
    .select({
      id: accessTokens.id,
      name: accessTokens.name,
      accountId: accessTokens.accountId,
    })
    .from(accessTokens)
    .where(
      and(
        eq(accessTokens.digest, digestAccessToken(token)),
        isNull(accessTokens.revokedAt),
        or(isNull(accessTokens.expiresAt), gt(accessTokens.expiresAt, sql`now()`)),
      ),
    );
  if (!row) return undefined;
  return row.accountId === null
    ? { kind: 'operator', tokenId: row.id, tokenName: row.name }
    : { kind: 'management', tokenId: row.id, tokenName: row.name, accountId: row.accountId };
}
