import { and, eq, ne, sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { accounts } from '#db/schema/accounts.ts';
import { checkExternalId, checkInteger, checkName } from '../input-rules.ts';
import { checkMetadata, type Metadata } from '../metadata-rules.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { type Reach, reachesAccount } from './authorize.ts';
import { MAX_API_KEY_LIMIT } from './create-account.ts';
import { lockAccount, ownsAccount } from './find-account.ts';

interface AccountChanges {
  readonly name?: string | undefined;
  readonly externalId?: string | null | undefined;
  readonly metadata?: Metadata | undefined;
  readonly apiKeyLimit?: number | null | undefined;
}

/**
 * Changes an account; what is absent stays as it is. Its own people may rename it; external id, notes and limits are for
 * its owner (an operator, or the partner of a customer). Idempotent.
 */
export async function updateAccount(
  tx: Transaction,
  reach: Reach,
  { accountId, ...changes }: AccountChanges & { accountId: string },
): Promise<Outcome<{ accountId: string }>> {
  const { name, externalId, metadata, apiKeyLimit } = changes;
  const account = await lockAccount(tx, accountId);
  if (!account || !(await reachesAccount(tx, reach, accountId)))
    return refused([userError('NOT_FOUND', 'No such account.', 'accountId')]);
  const ownersPart = Object.entries({ externalId, metadata, apiKeyLimit }).find(
    ([, value]) => value !== undefined,
  );
  if (ownersPart && !ownsAccount(reach, account))
    return refused([userError('FORBIDDEN', 'Only the owner of the account may change this.', ownersPart[0])]);
  const errors = [
    ...(name === undefined ? [] : checkName(name, 'name')),
    ...(externalId == null ? [] : checkExternalId(externalId, 'externalId')),
    ...(metadata === undefined ? [] : checkMetadata(metadata, 'metadata')),
    ...(apiKeyLimit == null
      ? []
      : checkInteger(apiKeyLimit, { min: 1, max: MAX_API_KEY_LIMIT }, 'apiKeyLimit')),
  ];
  if (errors.length > 0) return refused(errors);
  if (externalId != null && (await isTaken(tx, account, externalId)))
    return refused([
      userError('EXTERNAL_ID_TAKEN', 'Another account already has this external id.', 'externalId'),
    ]);
  const columns = Object.fromEntries(
    Object.entries({ name, externalId, metadata, apiKeyLimit }).filter(([, value]) => value !== undefined),
  );
  if (Object.keys(columns).length > 0)
    await tx.update(accounts).set(columns).where(eq(accounts.id, accountId));
  return succeeded({ accountId });
}

async function isTaken(
  tx: Transaction,
  account: { readonly id: string; readonly partnerId: string | null },
  externalId: string,
): Promise<boolean> {
  const [other] = await tx
    .select({ id: accounts.id })
    .from(accounts)
    .where(
      and(
        sql`${accounts.partnerId} is not distinct from ${account.partnerId}::uuid`,
        eq(accounts.externalId, externalId),
        ne(accounts.id, account.id),
      ),
    );
  return other !== undefined;
}
