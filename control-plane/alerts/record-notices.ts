import { sql } from 'drizzle-orm';
import type { Role } from '../accounts/permissions.ts';
import type { SqlExecutor } from '../ledger/sql-executor.ts';
import { mintId } from '../mint-id.ts';

/** Every kind of mail about an account, with the roles of the members that it goes to. */
export const NOTICE_ROLES = {
  balance_low: ['owner', 'admin', 'billing'],
  spend_limit: ['owner', 'admin', 'developer'],
  webhook_endpoint_disabled: ['owner', 'admin'],
} as const satisfies Record<string, readonly Role[]>;

/** Postgres channel that says which notice is to be sent; the payload is its id. */
export const NOTICES_WAITING_CHANNEL = 'account_notices';

export type NoticeKind = keyof typeof NOTICE_ROLES;

export interface Notice {
  readonly accountId: string;
  readonly kind: NoticeKind;
  /** What the text is made from; amounts as they are shown. */
  readonly data: Readonly<Record<string, string>>;
}

/**
 * Writes a mail to each member of the account whose role it concerns and who wants such mail, in the transaction of its
 * cause. A job sends them.
 */
export async function recordNotices(tx: SqlExecutor, notices: readonly Notice[]): Promise<void> {
  if (notices.length === 0) return;
  const wanted = JSON.stringify(
    notices.map(({ accountId, kind, data }) => ({
      account_id: accountId,
      kind,
      data,
      roles: NOTICE_ROLES[kind],
    })),
  );
  const addressed = await tx.execute<{
    account_id: string;
    user_id: string;
    kind: string;
    data: unknown;
  }>(sql`
    select notice.account_id, member.user_id, notice.kind, notice.data
    from jsonb_to_recordset(${wanted}::text::jsonb) as notice (account_id uuid, kind text, data jsonb, roles text[])
    join account_members member on member.account_id = notice.account_id
    where member.role = any(notice.roles) and member.alert_mail`);
  if (addressed.length === 0) return;
  const rows = JSON.stringify(addressed.map((row) => ({ id: mintId(), ...row })));
  await tx.execute(sql`
    with written as (
      insert into account_notices (id, account_id, user_id, kind, data)
      select id, account_id, user_id, kind, data
      from jsonb_to_recordset(${rows}::text::jsonb)
        as notice (id uuid, account_id uuid, user_id uuid, kind text, data jsonb)
      returning id)
    select pg_notify(${NOTICES_WAITING_CHANNEL}, id::text) from written`);
}
