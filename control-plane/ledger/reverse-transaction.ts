import { eq, sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { ledgerTransactions } from '#db/schema/ledger.ts';
import { checkText } from '../input-rules.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { type LedgerAccountRef, type LedgerPosting, postTransactions } from './post-transaction.ts';
import { openPromotionalGrant, withdrawUntouchedGrant } from './promotional-grants.ts';

const MAX_REASON_LENGTH = 500;

/** What has a way of its own back: money that came through Stripe is moved there, not only here. */
const NOT_REVERSED: ReadonlyMap<string, string> = new Map([
  ['reversal', 'A reversal is not reversed.'],
  ['top_up', 'A top-up is refunded.'],
  ['refund', 'A refund follows what Stripe says.'],
  ['dispute', 'A dispute follows what Stripe says.'],
]);

type LedgerEntry = LedgerPosting['entries'][number];

/**
 * Corrects a ledger transaction: posts its entries with the opposite sign, and names it. Each transaction is reversed at
 * most once, ever, and a reversal is not reversed: post what was meant instead. Nor are payments, which are refunded. Promotional credit that comes back does not
 * expire; promotional credit that was partly spent cannot be taken back.
 */
export async function reverseTransaction(
  tx: Transaction,
  input: { readonly transactionId: string; readonly reason: string },
): Promise<Outcome<{ transactionId: string }>> {
  const errors = checkText(input.reason, 'A reason', MAX_REASON_LENGTH, ['reason']);
  if (errors.length > 0) return refused(errors);
  const [original] = await tx
    .select({ id: ledgerTransactions.id, kind: ledgerTransactions.kind })
    .from(ledgerTransactions)
    .where(eq(ledgerTransactions.id, input.transactionId));
  if (!original) return refused([userError('NOT_FOUND', 'No such ledger transaction.', 'transactionId')]);
  const reason = NOT_REVERSED.get(original.kind);
  if (reason !== undefined) return refused([userError('NOT_REVERSIBLE', reason, 'transactionId')]);
  const entries = (await entriesOf(tx, original.id)).map(({ account, amountNano }) => ({
    account,
    amountNano: -amountNano,
  }));
  const [posted] = await postTransactions(tx, [
    {
      kind: 'reversal',
      idempotencyKey: `reversal:${original.id}`,
      description: input.reason,
      metadata: { reverses: original.id },
      entries,
    },
  ]);
  if (posted?.created !== true)
    return refused([
      userError('NOT_REVERSIBLE', 'This transaction has been reversed before.', 'transactionId'),
    ]);
  if (!(await movePromotionalCredit(tx, original.id, posted.id, entries)))
    return refused([
      userError('NOT_REVERSIBLE', 'Some of this promotional credit has been spent.', 'transactionId'),
    ]);
  return succeeded({ transactionId: posted.id });
}

/** Keeps the grants equal to the promotional accounts of the ledger. False: a grant to take back was spent from. */
async function movePromotionalCredit(
  tx: Transaction,
  originalId: string,
  reversalId: string,
  entries: readonly LedgerEntry[],
): Promise<boolean> {
  for (const { account, amountNano } of entries) {
    if (account.kind !== 'customer_promotional') continue;
    if (amountNano < 0n) {
      if (!(await withdrawUntouchedGrant(tx, originalId))) return false;
      continue;
    }
    const { accountId } = account;
    await openPromotionalGrant(tx, { accountId, transactionId: reversalId, amountNano, expiresAt: null });
  }
  return true;
}

async function entriesOf(tx: Transaction, transactionId: string): Promise<LedgerEntry[]> {
  const rows = await tx.execute<{ kind: string; account_id: string | null; amount_nano: string }>(sql`
    select ledger_accounts.kind, ledger_accounts.account_id, ledger_entries.amount_nano::text
    from ledger_entries join ledger_accounts on ledger_accounts.id = ledger_account_id
    where transaction_id = ${transactionId} order by ledger_entries.id`);
  return rows.map((row) => ({
    // The database holds only the kinds and owners that the ledger's one writer puts there.
    account: (row.account_id === null
      ? { kind: row.kind }
      : { kind: row.kind, accountId: row.account_id }) as LedgerAccountRef,
    amountNano: BigInt(row.amount_nano),
  }));
}
