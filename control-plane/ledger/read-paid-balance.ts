import { sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import type { NanoUsd } from '#shared/money.ts';

/** What is left of the credit that an account has paid for, without promotional credit, nano-USD. */
export async function readPaidBalance(tx: Transaction, accountId: string): Promise<NanoUsd> {
  const [row] = await tx.execute<{ balance_nano: string }>(sql`
    select ledger_balances.balance_nano::text as balance_nano
    from ledger_balances
    join ledger_accounts on ledger_accounts.id = ledger_balances.ledger_account_id
    where ledger_accounts.kind = 'customer_available' and ledger_accounts.account_id = ${accountId}
    for update of ledger_balances`);
  return BigInt(row?.balance_nano ?? 0);
}
