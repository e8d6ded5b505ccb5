import { sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import type { Role } from '../accounts/permissions.ts';
import { queueMail } from '../mail/queue-mail.ts';
import { mintId } from '../mint-id.ts';
import { type AlertKind, alertText } from './alert-texts.ts';

/** The roles of the members whom each kind of mail concerns. */
const ALERT_ROLES: Readonly<Record<AlertKind, readonly Role[]>> = {
  balance_low: ['owner', 'admin', 'billing'],
  spend_limit: ['owner', 'admin', 'developer'],
  webhook_endpoint_disabled: ['owner', 'admin'],
};

export interface Alert {
  readonly accountId: string;
  readonly kind: AlertKind;
  /** What the text is made from; amounts as they are shown. */
  readonly data: Readonly<Record<string, string>>;
}

/**
 * Queues a mail to each member of the account whose role it concerns and who wants such mail, in the transaction of its
 * cause.
 */
export async function recordAlerts(tx: Transaction, alerts: readonly Alert[]): Promise<void> {
  if (alerts.length === 0) return;
  const wanted = JSON.stringify(
    alerts.map(({ accountId, kind }, place) => ({ place, account_id: accountId, roles: ALERT_ROLES[kind] })),
  );
  const addressed = await tx.execute<{ place: number; account: string; emails: string[] }>(sql`
    select alert.place, accounts.name as account, array_agg(users.email) as emails
    from jsonb_to_recordset(${wanted}::text::jsonb) as alert (place int, account_id uuid, roles text[])
    join accounts on accounts.id = alert.account_id
    join account_members member on member.account_id = alert.account_id
    join users on users.id = member.user_id
    where member.role = any(alert.roles) and member.alert_mail and users.email_verified
    group by alert.place, accounts.name`);
  for (const { place, account, emails } of addressed) {
    const alert = alerts[place];
    // Each crossing is a cause of its own; that it is told once is the business of who has found it.
    if (alert !== undefined)
      await queueMail(tx, emails, {
        cause: `${alert.kind}:${mintId()}`,
        ...alertText(alert.kind, account, alert.data),
      });
  }
}
