import { and, eq, ne } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { apiKeys } from '#db/schema/api-keys.ts';
import { systemClock } from '#shared/clock.ts';
import type { Reach } from '../accounts/authorize.ts';
import { markChangedBudget } from '../alerts/mark-spend-limits.ts';
import { readModelStatuses } from '../catalog/alias-rules.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { readBudget } from './key-rules.ts';
import { checkKeySpec, type KeySpec } from './key-spec.ts';
import { lockLiveKey } from './lock-key.ts';

/** What is absent stays as it is; `null` takes a limit away. */
export type KeyChanges = Partial<Omit<KeySpec, 'aliases'>>;

/** Changes name, limits, allow-lists, budget, expiry, external id or metadata of a key. Idempotent. */
export async function updateKey(
  tx: Transaction,
  reach: Reach,
  { apiKeyId, ...changes }: KeyChanges & { apiKeyId: string },
): Promise<Outcome<{ apiKeyId: string }>> {
  const locked = await lockLiveKey(tx, reach, apiKeyId);
  if (!locked.ok) return locked;
  const models = await readModelStatuses(tx, changes.allowedModels ?? []);
  // What is absent is judged by a stand-in that every rule accepts.
  const errors = checkKeySpec({ name: 'unchanged', expiresAt: null, ...changes }, models);
  if (errors.length > 0) return refused(errors);
  const { externalId = null } = changes;
  if (externalId !== null && (await isTaken(tx, locked.value, externalId)))
    return refused([
      userError(
        'EXTERNAL_ID_TAKEN',
        'Another key of this account already has this external id.',
        'externalId',
      ),
    ]);
  const { budgetUsd, allowedModels, allowedAddresses, ...plain } = changes;
  const columns = Object.fromEntries(
    Object.entries({
      ...plain,
      budgetNano: budgetUsd === undefined ? undefined : readBudget(budgetUsd).nano,
      allowedModels: allowedModels && [...allowedModels],
      allowedAddresses: allowedAddresses && [...allowedAddresses],
    }).filter(([, value]) => value !== undefined),
  );
  if (Object.keys(columns).length === 0) return succeeded({ apiKeyId });
  await tx.update(apiKeys).set(columns).where(eq(apiKeys.id, apiKeyId));
  await recordConfigChange(tx, { entity: 'key', entityId: apiKeyId });
  // A lower budget may be reached at once; a higher one is told of anew.
  if ('budgetNano' in columns || 'budgetPeriod' in columns)
    await markChangedBudget(tx, apiKeyId, systemClock.nowMs());
  return succeeded({ apiKeyId });
}

/** The unique index would say so too, but by ending the transaction. Two changes of one account to one id still meet it. */
async function isTaken(
  tx: Transaction,
  key: { readonly id: string; readonly accountId: string },
  externalId: string,
): Promise<boolean> {
  const [other] = await tx
    .select({ id: apiKeys.id })
    .from(apiKeys)
    .where(
      and(eq(apiKeys.accountId, key.accountId), eq(apiKeys.externalId, externalId), ne(apiKeys.id, key.id)),
    );
  return other !== undefined;
}
