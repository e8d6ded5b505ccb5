import { createHmac, timingSafeEqual } from 'node:crypto';
import type { SealingKey } from '#shared/sealed-secret.ts';

const LIFETIME_MS = 3_600_000;

/** Documents that a link may lead to. */
export type DocumentKind = 'receipts' | 'statements';

/** A link that opens one document for an hour, for whoever has it: a browser sends no bearer token. */
export function documentLink(
  publicUrl: string,
  key: SealingKey,
  document: { readonly kind: DocumentKind; readonly id: string },
  nowMs: number,
): string {
  const expires = nowMs + LIFETIME_MS;
  const signature = sign(key, document.kind, document.id, expires).toString('base64url');
  return `${publicUrl}/${document.kind}/${document.id}.pdf?expires=${expires}&signature=${signature}`;
}

/** True when the link was made by {@link documentLink} and its hour is not over. */
export function isValidDocumentLink(
  key: SealingKey,
  document: { readonly kind: DocumentKind; readonly id: string },
  query: URLSearchParams,
  nowMs: number,
): boolean {
  const expires = Number(query.get('expires'));
  if (!Number.isSafeInteger(expires) || expires < nowMs) return false;
  const given = Buffer.from(query.get('signature') ?? '', 'base64url');
  const expected = sign(key, document.kind, document.id, expires);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function sign(key: SealingKey, kind: DocumentKind, id: string, expires: number): Buffer {
  return createHmac('sha256', key).update(`document-link:${kind}:${id}:${expires}`).digest();
}
