import { eq } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { accounts } from '#db/schema/accounts.ts';
import { apiKeys } from '#db/schema/api-keys.ts';
import { mintApiKey } from '#shared/api-key.ts';
import { systemClock } from '#shared/clock.ts';
import { type Actor, canReachAccount } from '../accounts/authorize.ts';
import { checkExpiry, checkInteger, checkName } from '../input-rules.ts';
import { mintId } from '../mint-id.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';

export const DEFAULT_RPM_LIMIT = 60;
export const DEFAULT_TPM_LIMIT = 100_000;
export const MAX_RPM_LIMIT = 1_000_000;
export const MAX_TPM_LIMIT = 1_000_000_000;

/** Issues a key for `/v1`. The full key is in this result and nowhere else; the table has its digest. */
export async function issueKey(
  tx: Transaction,
  actor: Actor,
  input: {
    accountId: string;
    name: string;
    rpmLimit?: number | undefined;
    tpmLimit?: number | undefined;
    expiresAt: Date | null;
  },
): Promise<Outcome<{ apiKeyId: string; secret: string }>> {
  const { rpmLimit = DEFAULT_RPM_LIMIT, tpmLimit = DEFAULT_TPM_LIMIT } = input;
  const errors = [
    ...checkName(input.name, 'name'),
    ...checkInteger(rpmLimit, { min: 1, max: MAX_RPM_LIMIT }, 'rpmLimit'),
    ...checkInteger(tpmLimit, { min: 1, max: MAX_TPM_LIMIT }, 'tpmLimit'),
    ...checkExpiry(input.expiresAt, systemClock.nowMs(), 'expiresAt'),
  ];
  if (errors.length > 0) return refused(errors);
  const [account] = await tx
    .select({ id: accounts.id })
    .from(accounts)
    .where(eq(accounts.id, input.accountId));
  if (!account || !canReachAccount(actor, account.id))
    return refused([userError('NOT_FOUND', 'No such account.', 'accountId')]);
  const { secret, digest, start, last4 } = mintApiKey();
  const id = mintId();
  await tx.insert(apiKeys).values({
    id,
    accountId: account.id,
    name: input.name,
    digest,
    start,
    last4,
    rpmLimit,
    tpmLimit,
    expiresAt: input.expiresAt,
  });
  await recordConfigChange(tx, { entity: 'key', entityId: id });
  return succeeded({ apiKeyId: id, secret });
}
