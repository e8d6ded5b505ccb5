import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createTransport } from 'nodemailer';
import type { Logger } from 'pino';
import { systemClock } from '#shared/clock.ts';
import { describeFault } from '../describe-fault.ts';

export interface Mail {
  readonly to: string;
  readonly subject: string;
  /** Plain text, with a line feed after each line. */
  readonly text: string;
}

/** Where mail leaves the product. */
export interface Mailbox {
  /**
   * Hands a mail over and returns at once: how long a mail server takes must not tell a stranger whether an address has an
   * account. A failure is logged, without address and text.
   */
  post(mail: Mail): void;
  /** Hands a mail over and waits until it is taken; throws where it is not. For jobs, which try again. */
  send(mail: Mail): Promise<void>;
  /** Waits for what is on its way. */
  close(): Promise<void>;
}

export interface MailSettings {
  /** `smtp://` or `smtps://` with credentials; `null`: mail goes to the outbox. */
  readonly smtpUrl: string | null;
  readonly from: string;
  /** Folder for mail as files while there is no server; `null`: without a server there is no mail. */
  readonly outbox: string | null;
}

type Send = (mail: Mail) => Promise<unknown>;

const SEND_TIMEOUT_MS = 20_000;
const MAX_CONNECTIONS = 2;

/** Opens the way that the settings name: an SMTP server, else files in the outbox, else nothing but a warning. */
export function openMailbox(settings: MailSettings, logger: Logger): Mailbox {
  const underWay = new Set<Promise<void>>();
  const { send, close } = wayOut(settings, logger);
  return {
    post: (mail) => {
      const sending = send(mail)
        .then(
          () => undefined,
          (error: unknown) => logger.error({ fault: describeFault(error) }, 'A mail could not be sent'),
        )
        .finally(() => underWay.delete(sending));
      underWay.add(sending);
    },
    send: async (mail) => {
      await send(mail);
    },
    close: async () => {
      await Promise.all(underWay);
      close();
    },
  };
}

function wayOut(settings: MailSettings, logger: Logger): { send: Send; close: () => void } {
  const { smtpUrl, from, outbox } = settings;
  if (smtpUrl !== null) {
    const transport = createTransport({
      url: smtpUrl,
      pool: true,
      maxConnections: MAX_CONNECTIONS,
      connectionTimeout: SEND_TIMEOUT_MS,
      greetingTimeout: SEND_TIMEOUT_MS,
      socketTimeout: SEND_TIMEOUT_MS,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    return { send: (mail) => transport.sendMail({ from, ...mail }), close: () => transport.close() };
  }
  if (outbox !== null)
    return { send: (mail) => writeMail(outbox, { from, ...mail }), close: () => undefined };
  return {
    send: async () => logger.warn('A mail was not sent: no mail server is set (SMTP_URL)'),
    close: () => undefined,
  };
}

/** One file per mail, in the order of sending, readable by its owner only. Lines stay whole, so that links can be followed. */
async function writeMail(outbox: string, mail: Mail & { from: string }): Promise<void> {
  const date = new Date(systemClock.nowMs());
  const head = [
    `Date: ${date.toUTCString()}`,
    `From: ${mail.from}`,
    `To: ${mail.to}`,
    `Subject: ${mail.subject}`,
    'Content-Type: text/plain; charset=utf-8',
  ];
  await mkdir(outbox, { recursive: true, mode: 0o700 });
  const name = `${date.toISOString().replaceAll(':', '-')}-${randomBytes(4).toString('hex')}.eml`;
  await writeFile(path.join(outbox, name), `${head.join('\n')}\n\n${mail.text}`, { mode: 0o600 });
}
