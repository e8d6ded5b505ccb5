import { createHash, randomInt } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const RANDOM_LENGTH = 40;
const PREFIXES = { management: 'cmt_', operator: 'cmo_', invitation: 'cmi_' } as const;

/** `cmt_`, `cmo_` or `cmi_` + 40 random base62 characters (238 bits). Shown once, stored only as its digest. */
export function mintAccessToken(kind: keyof typeof PREFIXES): { secret: string; digest: string } {
  let random = '';
  for (let index = 0; index < RANDOM_LENGTH; index += 1) random += ALPHABET[randomInt(ALPHABET.length)];
  const secret = `${PREFIXES[kind]}${random}`;
  return { secret, digest: digestAccessToken(secret) };
}

/** SHA-256 as base64url. Tokens are random, so the digest needs no salt and is found by an equality search. */
export function digestAccessToken(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}
