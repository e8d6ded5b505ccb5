import { eq, sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { accounts } from '#db/schema/accounts.ts';
import { formatUsd, NANO_PER_USD, parseUsd } from '#shared/money.ts';
import { checkText } from '../input-rules.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { postTransactions } from './post-transaction.ts';

/** A grant above this is more likely a slip of the hand than an intention. */
export const MAX_GRANT_NANO = 1_000_000n * NANO_PER_USD;
const MAX_REASON_LENGTH = 500;

/**
 * Gives an account credit, against the adjustments account. `idempotencyKey` posts once, ever: repeated with the same
 * account and amount it returns the first posting, with others it is refused.
 */
export async function grantCredit(
  tx: Transaction,
  input: { accountId: string; amountUsd: string; reason: string; idempotencyKey: string },
): Promise<Outcome<{ ledgerEntryId: string; accountId: string }>> {
  const amountNano = parseUsd(input.amountUsd);
  const errors = checkText(input.reason, 'A reason', MAX_REASON_LENGTH, ['reason']);
  if (amountNano === undefined || amountNano <= 0n || amountNano > MAX_GRANT_NANO)
    errors.push(
      userError(
        'INVALID_INPUT',
        `The amount is a decimal number of USD above 0 and up to ${formatUsd(MAX_GRANT_NANO)}, such as "25.00".`,
        'amountUsd',
      ),
    );
  if (errors.length > 0 || amountNano === undefined) return refused(errors);
  const [account] = await tx
    .select({ id: accounts.id })
    .from(accounts)
    .where(eq(accounts.id, input.accountId));
  if (!account) return refused([userError('NOT_FOUND', 'No such account.', 'accountId')]);
  const [posted] = await postTransactions(tx, [
    {
      kind: 'credit_grant',
      idempotencyKey: input.idempotencyKey,
      description: input.reason,
      entries: [
        { account: { kind: 'customer_available', accountId: account.id }, amountNano },
        { account: { kind: 'adjustments' }, amountNano: -amountNano },
      ],
    },
  ]);
  const ledgerEntryId = await customerEntryOf(tx, posted?.id ?? '', account.id, amountNano);
  if (ledgerEntryId === undefined)
    return refused([
      userError(
        'IDEMPOTENCY_KEY_REUSED',
        'This idempotency key has posted another grant before.',
        'idempotencyKey',
      ),
    ]);
  return succeeded({ ledgerEntryId, accountId: account.id });
}

/** The entry that credits the customer; `undefined` when the transaction is of another account or amount. */
async function customerEntryOf(
  tx: Transaction,
  transactionId: string,
  accountId: string,
  amountNano: bigint,
): Promise<string | undefined> {
  const [entry] = await tx.execute<{ id: string }>(sql`
    select ledger_entries.id
    from ledger_entries
    join ledger_accounts on ledger_accounts.id = ledger_entries.ledger_account_id
    where ledger_entries.transaction_id = ${transactionId}
      and ledger_accounts.account_id = ${accountId}
      and ledger_entries.amount_nano = ${amountNano.toString()}::bigint`);
  return entry?.id;
}
