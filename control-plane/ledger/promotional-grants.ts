import { sql } from 'drizzle-orm';
import type { NanoUsd } from '#shared/money.ts';
import { mintId } from '../mint-id.ts';
import { type LedgerPosting, postTransactions } from './post-transaction.ts';
import type { SqlExecutor } from './sql-executor.ts';

const EXPIRED_PER_ROUND = 500;

/** Opens a grant that the ledger transaction `transactionId` has just put on the account's promotional credit. */
export async function openPromotionalGrant(
  tx: SqlExecutor,
  grant: {
    readonly accountId: string;
    readonly transactionId: string;
    readonly amountNano: NanoUsd;
    /** `null`: never. */
    readonly expiresAt: Date | null;
  },
): Promise<void> {
  const { accountId, transactionId, amountNano, expiresAt } = grant;
  await tx.execute(sql`
    insert into promotional_grants (id, account_id, transaction_id, amount_nano, remaining_nano, expires_at)
    values (${mintId()}, ${accountId}, ${transactionId}, ${amountNano.toString()}, ${amountNano.toString()},
      ${expiresAt === null ? null : expiresAt.toISOString()}::timestamptz)`);
}

/** Takes back a grant of which nothing was spent. False when that is not the case; nothing has changed then. */
export async function withdrawUntouchedGrant(tx: SqlExecutor, transactionId: string): Promise<boolean> {
  const rows = await tx.execute(sql`
    update promotional_grants set remaining_nano = 0
    where transaction_id = ${transactionId} and remaining_nano = amount_nano
    returning id`);
  return rows.length > 0;
}

/**
 * Posts the expiry of promotional credit whose time is over at `nowMs`: what is left of each grant goes back to the
 * adjustments. Idempotent; returns how many grants expired, at most {@link EXPIRED_PER_ROUND} at a time.
 */
export async function expirePromotionalGrants(tx: SqlExecutor, nowMs: number): Promise<number> {
  const expired = await tx.execute<{ id: string; account_id: string; remaining_nano: string }>(sql`
    select id, account_id, remaining_nano::text from promotional_grants
    where remaining_nano > 0 and expires_at <= ${new Date(nowMs).toISOString()}::timestamptz
    order by account_id, expires_at, id
    limit ${EXPIRED_PER_ROUND}
    for update skip locked`);
  if (expired.length === 0) return 0;
  const ids = `{${expired.map(({ id }) => id).join(',')}}`;
  await tx.execute(sql`update promotional_grants set remaining_nano = 0 where id = any(${ids}::uuid[])`);
  await postTransactions(
    tx,
    expired.map(
      ({ id, account_id: accountId, remaining_nano: remaining }): LedgerPosting => ({
        kind: 'promotional_expiry',
        idempotencyKey: `promotional-expiry:${id}`,
        description: 'Promotional credit expired',
        metadata: { grant: id },
        entries: [
          { account: { kind: 'customer_promotional', accountId }, amountNano: -BigInt(remaining) },
          { account: { kind: 'adjustments' }, amountNano: BigInt(remaining) },
        ],
      }),
    ),
  );
  return expired.length;
}
