import { sql } from 'drizzle-orm';
import type { Redis } from 'ioredis';
import type { Transaction } from '#db/client.ts';
import { formatUsd, type NanoUsd, parseUsd } from '#shared/money.ts';
import { checkText } from '../input-rules.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { postTransactions } from './post-transaction.ts';
import { readBalances } from './read-balances.ts';

const MAX_REASON_LENGTH = 500;

interface Allocation {
  /** Account ids: whose paid credit goes to whom. */
  readonly from: string;
  readonly to: string;
  readonly amountUsd: string;
  /** The input field that has the amount. */
  readonly amountPath: string;
  readonly reason: string;
  /** Posts once, ever. */
  readonly idempotencyKey: string;
}

/**
 * Moves paid credit from one account to another: a partner's allocation to a customer, or its return. Never more than the
 * giver can spend now: holds of requests in flight and promotional credit stay. The giver's balance row is locked, so two
 * moves cannot spend the same credit. Idempotent per key.
 */
export async function allocateCredit(
  tx: Transaction,
  redis: Redis,
  { from, to, amountUsd, amountPath, reason, idempotencyKey }: Allocation,
): Promise<Outcome<{ transactionId: string }>> {
  const amountNano = parseUsd(amountUsd);
  const errors = checkText(reason, 'A reason', MAX_REASON_LENGTH, ['reason']);
  if (amountNano === undefined || amountNano <= 0n)
    errors.push(
      userError(
        'INVALID_INPUT',
        'The amount is a decimal number of USD above 0, such as "25.00".',
        amountPath,
      ),
    );
  if (errors.length > 0 || amountNano === undefined) return refused(errors);
  const paidNano = await lockPaidCredit(tx, from);
  const [balance] = await readBalances(tx, redis, [from]);
  const available = balance?.availableNano ?? 0n;
  const movable = paidNano < available ? paidNano : available;
  if (amountNano > movable)
    return refused([
      userError(
        'INSUFFICIENT_CREDIT',
        `Only ${formatUsd(movable > 0n ? movable : 0n)} USD can be moved.`,
        amountPath,
      ),
    ]);
  const [posted] = await postTransactions(tx, [
    {
      kind: 'credit_allocation',
      idempotencyKey,
      description: reason,
      entries: [
        { account: { kind: 'customer_available', accountId: from }, amountNano: -amountNano },
        { account: { kind: 'customer_available', accountId: to }, amountNano },
      ],
    },
  ]);
  if (posted?.created !== true)
    return refused([
      userError('IDEMPOTENCY_KEY_REUSED', 'This idempotency key has moved credit before.', 'idempotencyKey'),
    ]);
  return succeeded({ transactionId: posted.id });
}

async function lockPaidCredit(tx: Transaction, accountId: string): Promise<NanoUsd> {
  const [row] = await tx.execute<{ balance: string }>(sql`
    select ledger_balances.balance_nano::text as balance
    from ledger_balances
    join ledger_accounts on ledger_accounts.id = ledger_balances.ledger_account_id
    where ledger_accounts.account_id = ${accountId} and ledger_accounts.kind = 'customer_available'
    for update of ledger_balances`);
  return BigInt(row?.balance ?? 0);
}
