import type { Transaction } from '#db/client.ts';
import { accessTokens } from '#db/schema/accounts.ts';
import { systemClock } from '#shared/clock.ts';
import { checkExpiry, checkName } from '../input-rules.ts';
import { checkAddresses } from '../keys/key-rules.ts';
import { mintId } from '../mint-id.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { mintAccessToken } from './access-token.ts';
import { type Reach, reachesAccount } from './authorize.ts';
import { ALL_PERMISSIONS, includesPermission, type Permission } from './permissions.ts';

/**
 * Makes a token that manages one account, and the customer accounts it owns, through the API. `grantable` is what the
 * caller may do there itself: a token never has more. The secret is in this result and nowhere else.
 */
export async function createManagementToken(
  tx: Transaction,
  reach: Reach,
  input: {
    accountId: string;
    name: string;
    /** `null`: all that are grantable. */
    scopes: readonly Permission[] | null;
    grantable: readonly Permission[];
    allowedAddresses: readonly string[] | null;
    expiresAt: Date | null;
  },
): Promise<Outcome<{ managementTokenId: string; secret: string }>> {
  const scopes = input.scopes ?? input.grantable;
  const errors = [
    ...checkName(input.name, 'name'),
    ...checkExpiry(input.expiresAt, systemClock.nowMs(), 'expiresAt'),
    ...checkAddresses(input.allowedAddresses, 'allowedAddresses'),
    ...(scopes.length === 0 ? [userError('INVALID_INPUT', 'A token has at least one scope.', 'scopes')] : []),
  ];
  if (errors.length > 0) return refused(errors);
  if (!(await reachesAccount(tx, reach, input.accountId)))
    return refused([userError('NOT_FOUND', 'No such account.', 'accountId')]);
  if (!scopes.every((scope) => includesPermission(input.grantable, scope)))
    return refused([userError('FORBIDDEN', 'A token cannot have more scopes than its maker has.', 'scopes')]);
  const { secret, digest } = mintAccessToken('management');
  const id = mintId();
  await tx.insert(accessTokens).values({
    id,
    kind: 'management',
    accountId: input.accountId,
    name: input.name,
    digest,
    scopes: ALL_PERMISSIONS.filter((permission) => scopes.includes(permission)),
    allowedAddresses: input.allowedAddresses === null ? null : [...input.allowedAddresses],
    expiresAt: input.expiresAt,
  });
  return succeeded({ managementTokenId: id, secret });
}
