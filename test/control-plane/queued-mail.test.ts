import { pino } from 'pino';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startJobs } from '#control-plane/jobs/start-jobs.ts';
import type { Mail, Mailbox } from '#control-plane/mail/open-mailbox.ts';
import { forgetOldMails, queueMail } from '#control-plane/mail/queue-mail.ts';
import { testRedisUrl } from '#test/setup/test-backends.ts';
import { startTestApi, type TestApi } from './api-fixture.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

const notice = (cause: string) => ({ cause, subject: 'Notice', text: `About ${cause}\n` });

/** A mail server that refuses the first mails it is given. */
function moodyMailbox(refusals: number): { readonly mailbox: Mailbox; readonly sent: Mail[] } {
  const sent: Mail[] = [];
  let left = refusals;
  const send = async (mail: Mail) => {
    left -= 1;
    if (left >= 0) throw new Error('The mail server is away');
    sent.push(mail);
  };
  return { sent, mailbox: { post: () => undefined, send, close: async () => undefined } };
}

it('sends a notice once per address, also where the mail server was away at first', async () => {
  const { mailbox, sent } = moodyMailbox(1);
  await api.database.transaction(async (tx) => {
    await queueMail(tx, ['a@example.com', 'a@example.com', 'b@example.com'], notice('outage:1'));
    await queueMail(tx, ['a@example.com'], notice('outage:1'));
  });
  const jobs = startJobs({
    database: api.database,
    sql: api.sql,
    sealingKey: api.sealingKey,
    fetcher: api.webhookFetcher,
    redisUrl: await testRedisUrl(),
    logger: pino({ level: 'silent' }),
    mailbox,
    billing: null,
  });
  try {
    await vi.waitFor(
      async () => {
        const rows = await api.sql`select status from queued_mails where cause = 'outage:1'`;
        expect(rows.map((row) => row.status)).toEqual(['sent', 'sent']);
      },
      { timeout: 15_000, interval: 50 },
    );
  } finally {
    await jobs.close();
  }
  expect(sent.map((mail) => mail.to).sort()).toEqual(['a@example.com', 'b@example.com']);
});

it('forgets a notice, with its address, after a month', async () => {
  await api.database.transaction((tx) => queueMail(tx, ['c@example.com'], notice('old')));
  await api.sql`update queued_mails set created_at = now() - interval '31 days' where cause = 'old'`;
  expect(await forgetOldMails(api.database)).toBe(1);
});
