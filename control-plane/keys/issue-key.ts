import { and, count, eq, ne, sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { accounts } from '#db/schema/accounts.ts';
import { apiKeys } from '#db/schema/api-keys.ts';
import { type MintedKey, mintApiKey } from '#shared/api-key.ts';
import { type Reach, reachesAccount } from '../accounts/authorize.ts';
import { readModelStatuses } from '../catalog/alias-rules.ts';
import { mintId } from '../mint-id.ts';
import { recordKeyChanges } from '../snapshot/record-config-change.ts';
import { type Outcome, refused, succeeded, type UserError, userError } from '../user-error.ts';
import { checkKeySpec, type KeySpec, toKeyColumns } from './key-spec.ts';

const MAX_ALIASES_PER_CALL = 20_000;

interface IssuedKey {
  readonly apiKeyId: string;
  /** The full key. It is in this result and nowhere else. */
  readonly secret: string;
}

/** Issues a key for `/v1`. The full key is in this result and nowhere else; the table has its digest. */
export async function issueKey(
  tx: Transaction,
  reach: Reach,
  { accountId, ...spec }: KeySpec & { accountId: string },
): Promise<Outcome<IssuedKey>> {
  const outcome = await issueAll(tx, reach, accountId, [{ spec, path: [] }]);
  const [issued] = outcome.ok ? outcome.value : [];
  return outcome.ok && issued ? succeeded(issued) : refused(outcome.ok ? [] : outcome.errors);
}

/** Issues many keys at once, in the order given: all of them, or none when one is refused. A few statements in all. */
export async function issueKeys(
  tx: Transaction,
  reach: Reach,
  { accountId, keys }: { accountId: string; keys: readonly KeySpec[] },
): Promise<Outcome<{ apiKeys: IssuedKey[] }>> {
  const outcome = await issueAll(
    tx,
    reach,
    accountId,
    keys.map((spec, index) => ({ spec, path: ['keys', String(index)] })),
  );
  return outcome.ok ? succeeded({ apiKeys: outcome.value }) : outcome;
}

interface WantedKey {
  readonly spec: KeySpec;
  /** Where the key is in the input. */
  readonly path: readonly string[];
}

async function issueAll(
  tx: Transaction,
  reach: Reach,
  accountId: string,
  wanted: readonly WantedKey[],
): Promise<Outcome<IssuedKey[]>> {
  const known = await readModelStatuses(
    tx,
    wanted.flatMap(({ spec }) => [
      ...(spec.allowedModels ?? []),
      ...(spec.aliases ?? []).map((alias) => alias.model),
    ]),
  );
  const errors = wanted.flatMap(({ spec, path }) => checkKeySpec(spec, known, ...path));
  if (wanted.reduce((total, { spec }) => total + (spec.aliases?.length ?? 0), 0) > MAX_ALIASES_PER_CALL)
    errors.push(userError('INVALID_INPUT', `At most ${MAX_ALIASES_PER_CALL} aliases in one call.`, 'keys'));
  if (errors.length > 0) return refused(errors);
  if (!(await reachesAccount(tx, reach, accountId)))
    return refused([userError('NOT_FOUND', 'No such account.', 'accountId')]);
  const limitErrors = await checkKeyCount(tx, accountId, wanted.length);
  if (limitErrors.length > 0) return refused(limitErrors);
  const minted = wanted.map((each) => ({ ...each, ...mintApiKey(), id: mintId() }));
  const taken = await insertKeys(tx, accountId, minted);
  if (taken.length > 0) return refused(taken);
  await insertAliases(tx, minted);
  await recordKeyChanges(
    tx,
    minted.map(({ id }) => id),
  );
  return succeeded(minted.map(({ id, secret }) => ({ apiKeyId: id, secret })));
}

/** Locks the account where it has a limit, so that two calls cannot pass the limit together. */
async function checkKeyCount(tx: Transaction, accountId: string, added: number): Promise<UserError[]> {
  const [account] = await tx
    .select({ limit: accounts.apiKeyLimit })
    .from(accounts)
    .where(eq(accounts.id, accountId));
  if (!account || account.limit === null) return [];
  await tx.select({ id: accounts.id }).from(accounts).where(eq(accounts.id, accountId)).for('update');
  const [live] = await tx
    .select({ count: count() })
    .from(apiKeys)
    .where(and(eq(apiKeys.accountId, accountId), ne(apiKeys.status, 'deleted')));
  if ((live?.count ?? 0) + added <= account.limit) return [];
  const message = `This account may have ${account.limit} API keys.`;
  return [userError('API_KEY_LIMIT_REACHED', message, 'accountId')];
}

interface NewKey extends WantedKey, MintedKey {
  readonly id: string;
}

/** Inserts the rows; returns an error for each whose external id is taken. */
async function insertKeys(tx: Transaction, accountId: string, keys: readonly NewKey[]): Promise<UserError[]> {
  const rows = keys.map(({ id, spec, digest, start, last4 }) => ({
    id,
    digest,
    start,
    last4,
    ...toKeyColumns(spec),
  }));
  const inserted = await tx.execute<{ id: string }>(sql`
    insert into api_keys (id, account_id, name, digest, start, last4, rpm_limit, tpm_limit, concurrency_limit,
      budget_nano, budget_period, allowed_models, allowed_addresses, external_id, metadata, expires_at)
    select id, ${accountId}::uuid, name, digest, start, last4, rpm_limit, tpm_limit, concurrency_limit,
      budget_nano, budget_period, allowed_models, allowed_addresses, external_id, metadata, expires_at
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
      as key (id uuid, name text, digest text, start text, last4 text, rpm_limit int, tpm_limit int,
        concurrency_limit int, budget_nano bigint, budget_period text, allowed_models text[],
        allowed_addresses text[], external_id text, metadata jsonb, expires_at timestamptz)
    on conflict (account_id, external_id) do nothing
    returning id`);
  if (inserted.length === keys.length) return [];
  const made = new Set(inserted.map(({ id }) => id));
  const message = 'Another key of this account already has this external id.';
  return keys
    .filter(({ id }) => !made.has(id))
    .map(({ path }) => userError('EXTERNAL_ID_TAKEN', message, ...path, 'externalId'));
}

async function insertAliases(tx: Transaction, keys: readonly NewKey[]): Promise<void> {
  const rows = keys.flatMap(({ id, spec }) =>
    (spec.aliases ?? []).map(({ alias, kind, model }) => ({
      id: mintId(),
      api_key_id: id,
      alias,
      kind,
      model_id: model,
    })),
  );
  if (rows.length === 0) return;
  await tx.execute(sql`
    insert into model_aliases (id, api_key_id, alias, kind, model_id)
    select id, api_key_id, alias, kind, model_id
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
      as alias (id uuid, api_key_id uuid, alias text, kind text, model_id text)`);
}
