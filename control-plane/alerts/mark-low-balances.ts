import { sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { formatUsd } from '#shared/money.ts';
import { balanceLow } from '../webhooks/event-types.ts';
import { recordEvents } from '../webhooks/record-events.ts';
import { recordAlerts } from './record-alerts.ts';

/**
 * Compares balances with their thresholds, of these accounts or (`null`) of all, and tells each account whose balance has
 * fallen below since the last look: once, until it has been at or above it again. Returns how many were told.
 */
export async function markLowBalances(
  tx: Transaction,
  accountIds: readonly string[] | null,
): Promise<number> {
  if (accountIds?.length === 0) return 0;
  const those =
    accountIds === null
      ? sql`true`
      : sql`alerts.account_id in (
          select value::uuid from jsonb_array_elements_text(${JSON.stringify(accountIds)}::text::jsonb) as value)`;
  const low = await tx.execute<{ account_id: string; balance_nano: string; threshold_nano: string }>(sql`
    with balance as (
      select alerts.account_id, (
        select coalesce(sum(balance_nano), 0) from ledger_accounts
        join ledger_balances on ledger_account_id = ledger_accounts.id
        where ledger_accounts.account_id = alerts.account_id) as nano
      from account_alerts alerts
      where alerts.low_balance_nano is not null and ${those}),
    crossed as (
      update account_alerts alerts
      set low_balance_since = case when balance.nano < alerts.low_balance_nano then now() end
      from balance
      where alerts.account_id = balance.account_id
        and (balance.nano < alerts.low_balance_nano) <> (alerts.low_balance_since is not null)
      returning alerts.account_id, balance.nano, alerts.low_balance_nano, alerts.low_balance_since)
    select account_id, nano::text as balance_nano, low_balance_nano::text as threshold_nano
    from crossed where low_balance_since is not null`);
  await recordEvents(
    tx,
    low.map((row) => balanceLow(row.account_id, BigInt(row.balance_nano), BigInt(row.threshold_nano))),
  );
  await recordAlerts(
    tx,
    low.map((row) => ({
      accountId: row.account_id,
      kind: 'balance_low',
      data: {
        balanceUsd: formatUsd(BigInt(row.balance_nano)),
        thresholdUsd: formatUsd(BigInt(row.threshold_nano)),
      },
    })),
  );
  return low.length;
}
