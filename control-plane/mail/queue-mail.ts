import { asc, eq, inArray, lt, sql } from 'drizzle-orm';
import type { Database, Transaction } from '#db/client.ts';
import { queuedMails } from '#db/schema/mail.ts';
import { accountMembers, users } from '#db/schema/people.ts';
import { type Permission, ROLE_PERMISSIONS, ROLES } from '../accounts/permissions.ts';
import { bindJob, type RunnableBinding } from '../jobs/job-workers.ts';
import { mintId } from '../mint-id.ts';
import type { Mailbox } from './open-mailbox.ts';

const CONCURRENCY = 2;
const SWEEP_LIMIT = 500;
const KEPT_DAYS = 30;

export interface Notice {
  /** Names what happened, such as `dispute_opened:du_1`: the same cause writes one mail per address, ever. */
  readonly cause: string;
  readonly subject: string;
  /** Plain text, never a secret: it is stored until it is sent. */
  readonly text: string;
}

/** Writes a notice down in the transaction of its cause; a job sends it. Without addresses nothing happens. */
export async function queueMail(
  tx: Transaction,
  recipients: readonly string[],
  { cause, subject, text }: Notice,
): Promise<void> {
  const rows = [...new Set(recipients)].map((recipient) => ({
    id: mintId(),
    cause,
    recipient,
    subject,
    text,
  }));
  if (rows.length > 0) await tx.insert(queuedMails).values(rows).onConflictDoNothing();
}

/** Verified addresses of the members of an account whose role has a permission. */
export async function readMemberAddresses(
  tx: Transaction,
  accountId: string,
  permission: Permission,
): Promise<string[]> {
  const roles = ROLES.filter((role) => ROLE_PERMISSIONS[role].includes(permission));
  const rows = await tx
    .select({ email: users.email })
    .from(accountMembers)
    .innerJoin(users, eq(users.id, accountMembers.userId))
    .where(
      sql`${accountMembers.accountId} = ${accountId} and ${users.emailVerified} and ${inArray(accountMembers.role, roles)}`,
    );
  return rows.map((row) => row.email);
}

/** Sends queued mails, each at least once: a worker killed between sending and noting it sends again. */
export function mailJob(database: Database, mailbox: Mailbox): RunnableBinding {
  return bindJob({
    queue: 'mails',
    concurrency: CONCURRENCY,
    run: async ({ mailId }) => {
      const [mail] = await database.select().from(queuedMails).where(eq(queuedMails.id, mailId));
      if (mail === undefined || mail.status === 'sent') return;
      await mailbox.send({ to: mail.recipient, subject: mail.subject, text: mail.text });
      await database
        .update(queuedMails)
        .set({ status: 'sent', sentAt: sql`now()` })
        .where(eq(queuedMails.id, mailId));
    },
    unfinished: async () => {
      const waiting = await database
        .select({ id: queuedMails.id })
        .from(queuedMails)
        .where(eq(queuedMails.status, 'waiting'))
        .orderBy(asc(queuedMails.id))
        .limit(SWEEP_LIMIT);
      return waiting.map(({ id }) => ({ id, payload: { mailId: id } }));
    },
    buried: async ({ mailId }) => {
      await database.update(queuedMails).set({ status: 'dead' }).where(eq(queuedMails.id, mailId));
    },
  });
}

/** Deletes notices that are older than a month; returns how many. */
export async function forgetOldMails(database: Database): Promise<number> {
  const forgotten = await database
    .delete(queuedMails)
    .where(lt(queuedMails.createdAt, sql`now() - make_interval(days => ${KEPT_DAYS})`))
    .returning({ id: queuedMails.id });
  return forgotten.length;
}
