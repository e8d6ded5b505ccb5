import type { Redis } from 'ioredis';
import type { Transaction } from '#db/client.ts';
import { allocateCredit } from '../ledger/allocate-credit.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import type { Reach } from './authorize.ts';
import { findAccount, ownsAccount } from './find-account.ts';

/**
 * Moves paid credit between a partner and a customer account that it owns, in either direction. The reach is where the
 * caller may move credit; the customer is refused like one that does not exist when its partner is outside.
 */
export async function moveCredit(
  tx: Transaction,
  redis: Redis,
  reach: Reach,
  input: {
    direction: 'to-customer' | 'to-partner';
    accountId: string;
    amountUsd: string;
    reason: string;
    idempotencyKey: string;
  },
): Promise<Outcome<{ accountId: string; partnerId: string }>> {
  const customer = await findAccount(tx, input.accountId);
  if (!customer || customer.partnerId === null || !ownsAccount(reach, customer))
    return refused([userError('NOT_FOUND', 'No such customer account of a partner.', 'accountId')]);
  const { id: accountId, partnerId } = customer;
  const toCustomer = input.direction === 'to-customer';
  const moved = await allocateCredit(tx, redis, {
    from: toCustomer ? partnerId : accountId,
    to: toCustomer ? accountId : partnerId,
    amountUsd: input.amountUsd,
    amountPath: 'amountUsd',
    reason: input.reason,
    idempotencyKey: input.idempotencyKey,
  });
  return moved.ok ? succeeded({ accountId, partnerId }) : moved;
}
