import type { Redis } from 'ioredis';
import type { Transaction } from '#db/client.ts';
import { type Outcome, refused, userError } from '../user-error.ts';
import { type Actor, actorIdOf, ownAccountIds, reachOf } from './authorize.ts';
import { createAccount, createFundedAccount, type NewAccount } from './create-account.ts';
import { findAccount } from './find-account.ts';

interface OpenAccountInput extends NewAccount {
  readonly partnerId: string | null;
  /** Credit that comes from the partner's balance. */
  readonly creditUsd: string | null;
  readonly idempotencyKey: string;
}

/**
 * Opens an account for whoever asks: operators any, partners a customer account of their own, optionally with its first
 * credit.
 */
export async function openAccount(
  tx: Transaction,
  redis: Redis,
  actor: Actor,
  input: OpenAccountInput,
): Promise<Outcome<{ accountId: string }>> {
  const { creditUsd, idempotencyKey, ...account } = input;
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
