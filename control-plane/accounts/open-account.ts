import { and, count, eq, sql } from 'drizzle-orm';
import type { Redis } from 'ioredis';
import type { Transaction } from '#db/client.ts';
import { accountMembers } from '#db/schema/people.ts';
import { mintId } from '../mint-id.ts';
import { type Outcome, refused, userError } from '../user-error.ts';
import { type Actor, actorIdOf, ownAccountIds, reachOf } from './authorize.ts';
import { createAccount, createFundedAccount, type NewAccount } from './create-account.ts';
import { findAccount } from './find-account.ts';

/** Enough for a person's own projects; who needs more has them opened. */
const MAX_OWNED_ACCOUNTS = 10;

interface OpenAccountInput extends NewAccount {
  readonly partnerId: string | null;
  /** Credit that comes from the partner's balance. */
  readonly creditUsd: string | null;
  readonly idempotencyKey: string;
}

/**
 * Opens an account for whoever asks: operators any, partners a customer account of their own, optionally with its first
 * credit, people an account that they then own.
 */
export async function openAccount(
  tx: Transaction,
  redis: Redis,
  actor: Actor,
  input: OpenAccountInput,
): Promise<Outcome<{ accountId: string }>> {
  const { creditUsd, idempotencyKey, ...account } = input;
  if (actor.kind === 'user' && input.partnerId === null) return await openOwnAccount(tx, actor.userId, input);
  const partnerId = await choosePartner(tx, actor, input);
  if (!partnerId.ok) return partnerId;
  const owned = { ...account, partnerId: partnerId.value };
  if (creditUsd === null) return await createAccount(tx, owned);
  const funding = reachOf(actor, 'billing:write');
  if (funding !== 'everywhere' && !funding.accountIds.includes(partnerId.value ?? ''))
    return refused([userError('FORBIDDEN', "You may not move this partner's credit.", 'creditUsd')]);
  return await createFundedAccount(tx, redis, {
    ...owned,
    creditUsd,
    idempotencyKey: `accountCreate:${actorIdOf(actor)}:${idempotencyKey}`,
  });
}

/** Who will own the account. Everybody but operators opens accounts only under a partner account of their own. */
async function choosePartner(
  tx: Transaction,
  actor: Actor,
  { partnerId, kind = 'customer' }: OpenAccountInput,
): Promise<Outcome<string | null>> {
  const reach = reachOf(actor, 'accounts:write');
  if (reach === 'everywhere') return { ok: true, value: partnerId };
  if (kind === 'partner')
    return refused([userError('FORBIDDEN', 'Only operators open partner accounts.', 'kind')]);
  const [ownAccountId, ...others] = ownAccountIds(actor);
  const chosen = partnerId ?? (others.length === 0 ? ownAccountId : undefined);
  if (chosen === undefined || !reach.accountIds.includes(chosen))
    return refused([userError('NOT_FOUND', 'No such partner account.', 'partnerId')]);
  if ((await findAccount(tx, chosen))?.kind !== 'partner')
    return refused([userError('NOT_A_PARTNER', 'This account is not a partner account.', 'partnerId')]);
  return { ok: true, value: chosen };
}

async function openOwnAccount(
  tx: Transaction,
  userId: string,
  { name, kind = 'customer', externalId, metadata, apiKeyLimit, creditUsd }: OpenAccountInput,
): Promise<Outcome<{ accountId: string }>> {
  if (kind === 'partner')
    return refused([userError('FORBIDDEN', 'Only operators open partner accounts.', 'kind')]);
  const owners = Object.entries({ externalId, apiKeyLimit, creditUsd }).find(([, value]) => value != null);
  if (owners || Object.keys(metadata ?? {}).length > 0)
    return refused([
      userError('FORBIDDEN', 'Only operators and partners set this.', owners?.[0] ?? 'metadata'),
    ]);
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`open-account:${userId}`}, 0))`);
  const [owned] = await tx
    .select({ count: count() })
    .from(accountMembers)
    .where(and(eq(accountMembers.userId, userId), eq(accountMembers.role, 'owner')));
  if ((owned?.count ?? 0) >= MAX_OWNED_ACCOUNTS)
    return refused([
      userError('ACCOUNT_LIMIT_REACHED', `A person owns at most ${MAX_OWNED_ACCOUNTS} accounts.`),
    ]);
  const created = await createAccount(tx, { name, externalId: null });
  if (created.ok)
    await tx
      .insert(accountMembers)
      .values({ id: mintId(), accountId: created.value.accountId, userId, role: 'owner' });
  return created;
}
