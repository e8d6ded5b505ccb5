import { and, asc, eq, isNull, lt, sql } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { accounts } from '#db/schema/accounts.ts';
import { accountNotices } from '#db/schema/alerts.ts';
import { users } from '#db/schema/people.ts';
import { bindJob, type RunnableBinding } from '../jobs/job-workers.ts';
import type { Mailbox } from '../mail/open-mailbox.ts';
import { noticeText } from './notice-texts.ts';

export interface NoticeContext {
  readonly database: Database;
  readonly mailbox: Mailbox;
}

const MAILS_AT_A_TIME = 4;
const FOUND_AT_ONCE = 500;
const KEPT_DAYS = 30;

const isOpen = and(isNull(accountNotices.sentAt), isNull(accountNotices.givenUpAt));

/** Mails what is not sent yet. A worker killed between the two steps sends a mail twice, with the same message id. */
export function sendNoticesJob({ database, mailbox }: NoticeContext): RunnableBinding {
  return bindJob({
    queue: 'account-notices',
    concurrency: MAILS_AT_A_TIME,
    run: ({ noticeId }) => sendNotice({ database, mailbox }, noticeId),
    unfinished: async () => {
      const rows = await database
        .select({ id: accountNotices.id })
        .from(accountNotices)
        .where(isOpen)
        .orderBy(asc(accountNotices.id))
        .limit(FOUND_AT_ONCE);
      return rows.map(({ id }) => ({ id, payload: { noticeId: id } }));
    },
    buried: async ({ noticeId }) => {
      await database
        .update(accountNotices)
        .set({ givenUpAt: sql`now()` })
        .where(eq(accountNotices.id, noticeId));
    },
  });
}

async function sendNotice({ database, mailbox }: NoticeContext, noticeId: string): Promise<void> {
  const [notice] = await database
    .select({
      kind: accountNotices.kind,
      data: accountNotices.data,
      sentAt: accountNotices.sentAt,
      email: users.email,
      account: accounts.name,
    })
    .from(accountNotices)
    .innerJoin(users, eq(users.id, accountNotices.userId))
    .innerJoin(accounts, eq(accounts.id, accountNotices.accountId))
    .where(eq(accountNotices.id, noticeId));
  if (notice === undefined || notice.sentAt !== null) return;
  const mail = noticeText(notice.kind, notice.account, notice.data);
  if (mail !== undefined) await mailbox.deliver({ to: notice.email, ...mail, id: noticeId });
  await database
    .update(accountNotices)
    .set({ sentAt: sql`now()`, givenUpAt: null })
    .where(eq(accountNotices.id, noticeId));
}

/** Deletes notices past their time. Returns how many. */
export async function forgetOldNotices(database: Database): Promise<number> {
  const forgotten = await database
    .delete(accountNotices)
    .where(lt(accountNotices.createdAt, sql`now() - make_interval(days => ${KEPT_DAYS})`))
    .returning({ id: accountNotices.id });
  return forgotten.length;
}
