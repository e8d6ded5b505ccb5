import { createHmac, timingSafeEqual } from 'node:crypto';
import type { SealingKey } from '#shared/sealed-secret.ts';

const LIFETIME_MS = 3_600_000;

/** The query that makes a link work for an hour, for whoever has it: a browser that follows one sends no bearer token. */
export function signLink(key: SealingKey, subject: string, nowMs: number): string {
  const expires = nowMs + LIFETIME_MS;
  return `expires=${expires}&signature=${signatureOf(key, subject, expires).toString('base64url')}`;
}

/** True when the query was made by {@link signLink} for this subject and its hour is not over. */
export function isSignedLink(
  key: SealingKey,
  subject: string,
  query: URLSearchParams,
  nowMs: number,
): boolean {
  const expires = Number(query.get('expires'));
  if (!Number.isSafeInteger(expires) || expires < nowMs) return false;
  const given = Buffer.from(query.get('signature') ?? '', 'base64url');
  const expected = signatureOf(key, subject, expires);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function signatureOf(key: SealingKey, subject: string, expires: number): Buffer {
  return createHmac('sha256', key).update(`document-link:${subject}:${expires}`).digest();
}
