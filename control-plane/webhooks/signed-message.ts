import { Webhook } from 'standardwebhooks';
import { formatId } from '#shared/identifiers.ts';
import type { EventData } from './event-types.ts';

/** What is sent, by Standard Webhooks: the body, and headers that prove who sent it and when. */
export interface SignedMessage {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface MessageContent {
  readonly eventId: string;
  readonly type: string;
  readonly createdAt: Date;
  readonly data: EventData;
}

/** The body of a message: the same text at each try, so that a receiver may compare. */
export function bodyOf({ type, createdAt, data }: MessageContent): string {
  return JSON.stringify({ type, timestamp: createdAt.toISOString(), data });
}

/** The name of a message, the same at each try and replay. */
export function messageIdOf(eventId: string): string {
  return formatId('WebhookEvent', eventId);
}

/** Signs a message as of `now` with each of the secrets; a receiver needs to know one of them. */
export function signMessage(content: MessageContent, secrets: readonly string[], now: Date): SignedMessage {
  const body = bodyOf(content);
  const id = messageIdOf(content.eventId);
  return {
    body,
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': Math.floor(now.getTime() / 1_000).toString(),
      'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, now, body)).join(' '),
    },
  };
}
