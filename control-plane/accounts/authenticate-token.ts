import { and, eq, gt, isNull, or, sql } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { accessTokens } from '#db/schema/accounts.ts';
import { AddressRanges } from '#shared/address-range.ts';
import { digestAccessToken } from './access-token.ts';
import type { Actor } from './authorize.ts';
import { ALL_PERMISSIONS } from './permissions.ts';

const MAX_TOKEN_LENGTH = 256;

/**
 * Who presents this token; `undefined` when it is unknown, revoked, expired or not allowed from the client's address, which
 * is the same to the caller: a found token is worth nothing elsewhere. One query.
 */
export async function authenticateToken(
  database: Database,
  token: string,
  clientAddress: string,
): Promise<Actor | undefined> {
  if (token.length > MAX_TOKEN_LENGTH) return undefined;
  const [row] = await database
    .select({
      id: accessTokens.id,
      name: accessTokens.name,
      accountId: accessTokens.accountId,
      scopes: accessTokens.scopes,
      allowedAddresses: accessTokens.allowedAddresses,
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
  if (row.allowedAddresses && !new AddressRanges(row.allowedAddresses).includes(clientAddress))
    return undefined;
  return row.accountId === null
    ? { kind: 'operator', tokenId: row.id, tokenName: row.name }
    : {
        kind: 'management',
        tokenId: row.id,
        tokenName: row.name,
        accountId: row.accountId,
        scopes: ALL_PERMISSIONS.filter((permission) => row.scopes.includes(permission)),
      };
}
