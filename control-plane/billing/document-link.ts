import type { SealingKey } from '#shared/sealed-secret.ts';
import { isSignedLink, signLink } from '../signed-link.ts';

/** Documents that a link may lead to. */
export type DocumentKind = 'receipts' | 'statements';

/** A link that opens one document for an hour, for whoever has it: a browser sends no bearer token. */
export function documentLink(
  publicUrl: string,
  key: SealingKey,
  { kind, id }: { readonly kind: DocumentKind; readonly id: string },
  nowMs: number,
): string {
  return `${publicUrl}/${kind}/${id}.pdf?${signLink(key, `${kind}:${id}`, nowMs)}`;
}

/** True when the link was made by {@link documentLink} and its hour is not over. */
export function isValidDocumentLink(
  key: SealingKey,
  { kind, id }: { readonly kind: DocumentKind; readonly id: string },
  query: URLSearchParams,
  nowMs: number,
): boolean {
  return isSignedLink(key, `${kind}:${id}`, query, nowMs);
}
