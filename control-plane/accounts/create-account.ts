import type { Redis } from 'ioredis';
import type { Transaction } from '#db/client.ts';
import { accounts } from '#db/schema/accounts.ts';
import { checkExternalId, checkInteger, checkName } from '../input-rules.ts';
import { allocateCredit } from '../ledger/allocate-credit.ts';
import { checkMetadata, type Metadata } from '../metadata-rules.ts';
import { mintId } from '../mint-id.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { findAccount } from './find-account.ts';

export const MAX_API_KEY_LIMIT = 1_000_000;

export interface NewAccount {
  readonly name: string;
  readonly kind?: 'customer' | 'partner';
  /** The partner that owns it; `null`: the installation itself. */
  readonly partnerId?: string | null;
  readonly externalId: string | null;
  readonly metadata?: Metadata;
  readonly apiKeyLimit?: number | null;
}

/** Opens an account. `externalId` is the owner's own id for it and unique among the accounts of that owner while set. */
export async function createAccount(
  tx: Transaction,
  input: NewAccount,
): Promise<Outcome<{ accountId: string }>> {
  const { kind = 'customer', partnerId = null, apiKeyLimit = null, metadata = {} } = input;
  const errors = [
    ...checkName(input.name, 'name'),
    ...(input.externalId === null ? [] : checkExternalId(input.externalId, 'externalId')),
    ...(apiKeyLimit === null
      ? []
      : checkInteger(apiKeyLimit, { min: 1, max: MAX_API_KEY_LIMIT }, 'apiKeyLimit')),
    ...checkMetadata(metadata, 'metadata'),
  ];
  if (errors.length > 0) return refused(errors);
  if (partnerId !== null && (await findAccount(tx, partnerId))?.kind !== 'partner')
    return refused([userError('NOT_FOUND', 'No such partner account.', 'partnerId')]);
  if (partnerId !== null && kind === 'partner')
    return refused([userError('INVALID_INPUT', 'A partner account has no partner of its own.', 'kind')]);
  const [created] = await tx
    .insert(accounts)
    .values({
      id: mintId(),
      name: input.name,
      externalId: input.externalId,
      kind,
      partnerId,
      metadata,
      apiKeyLimit,
    })
    .onConflictDoNothing()
    .returning({ id: accounts.id });
  if (!created)
    return refused([
      userError('EXTERNAL_ID_TAKEN', 'Another account already has this external id.', 'externalId'),
    ]);
  await recordConfigChange(tx, { entity: 'account', entityId: created.id });
  return succeeded({ accountId: created.id });
}

/** As {@link createAccount}, and moves the first credit to it from its partner's balance: both or neither. */
export async function createFundedAccount(
  tx: Transaction,
  redis: Redis,
  {
    creditUsd,
    idempotencyKey,
    ...input
  }: NewAccount & { readonly creditUsd: string; readonly idempotencyKey: string },
): Promise<Outcome<{ accountId: string }>> {
  const { partnerId = null } = input;
  if (partnerId === null)
    return refused([
      userError('INVALID_INPUT', 'Only the account of a partner begins with its credit.', 'creditUsd'),
    ]);
  const created = await createAccount(tx, input);
  if (!created.ok) return created;
  const { accountId } = created.value;
  const moved = await allocateCredit(tx, redis, {
    from: partnerId,
    to: accountId,
    amountUsd: creditUsd,
    amountPath: 'creditUsd',
    reason: 'First credit',
    idempotencyKey,
  });
  return moved.ok ? created : moved;
}
