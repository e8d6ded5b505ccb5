import type { Transaction } from '#db/client.ts';
import { accounts } from '#db/schema/accounts.ts';
import { checkExternalId, checkName } from '../input-rules.ts';
import { mintId } from '../mint-id.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';

/** Opens an account for a customer. `externalId` is the caller's own id for it and unique while set. */
export async function createAccount(
  tx: Transaction,
  input: { name: string; externalId: string | null },
): Promise<Outcome<{ accountId: string }>> {
  const errors = [
    ...checkName(input.name, 'name'),
    ...(input.externalId === null ? [] : checkExternalId(input.externalId, 'externalId')),
  ];
  if (errors.length > 0) return refused(errors);
  const [created] = await tx
    .insert(accounts)
    .values({ id: mintId(), name: input.name, externalId: input.externalId })
    .onConflictDoNothing({ target: accounts.externalId })
    .returning({ id: accounts.id });
  if (!created)
    return refused([
      userError('EXTERNAL_ID_TAKEN', 'Another account already has this external id.', 'externalId'),
    ]);
  await recordConfigChange(tx, { entity: 'account', entityId: created.id });
  return succeeded({ accountId: created.id });
}
