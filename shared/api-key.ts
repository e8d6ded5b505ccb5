import { createHash, randomInt } from 'node:crypto';

/** `cm-` + 32 random base62 characters + a 6-character checksum: 41 characters, about 190 bits of entropy. */
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const PREFIX = 'cm-';
const RANDOM_LENGTH = 32;
const CHECKSUM_LENGTH = 6;
const KEY_PATTERN = /^cm-[0-9A-Za-z]{38}$/;
const SHOWN_START = 6;
const SHOWN_END = 4;

export interface MintedKey {
  /** The full key. Shown once, never stored in the clear. */
  readonly secret: string;
  readonly digest: string;
  /** First 6 characters, for lists. */
  readonly start: string;
  readonly last4: string;
}

export function mintApiKey(): MintedKey {
  let random = '';
  for (let index = 0; index < RANDOM_LENGTH; index += 1) random += ALPHABET[randomInt(ALPHABET.length)];
  const secret = `${PREFIX}${random}${checksumOf(random)}`;
  return {
    secret,
    digest: digestApiKey(secret),
    start: secret.slice(0, SHOWN_START),
    last4: secret.slice(-SHOWN_END),
  };
}

/** True when the text has the form and checksum of a key of ours; says nothing about whether it exists. */
export function isWellFormedApiKey(text: string): boolean {
  if (!KEY_PATTERN.test(text)) return false;
  const random = text.slice(PREFIX.length, PREFIX.length + RANDOM_LENGTH);
  return text.slice(-CHECKSUM_LENGTH) === checksumOf(random);
}

/** SHA-256 of the full key as base64url: the only form in which a key is stored or published. */
export function digestApiKey(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}

/** Lets a client library or a secret scanner tell a typo from a revoked key without asking the server. */
function checksumOf(random: string): string {
  let value = createHash('sha256').update(`crossmodel-key:${random}`).digest().readUIntBE(0, 6);
  let text = '';
  for (let index = 0; index < CHECKSUM_LENGTH; index += 1) {
    text += ALPHABET[value % ALPHABET.length];
    value = Math.floor(value / ALPHABET.length);
  }
  return text;
}
