import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

/**
 * AES-256-GCM for secrets at rest and in the snapshot: provider credentials and the sealed answers of idempotent
 * mutations. The text form is `v1.<iv>.<tag>.<ciphertext>`, each part base64url. `purpose` is authenticated, so that a
 * value sealed for one use cannot be opened as another.
 */
export type SealingKey = Buffer & { readonly sealingKey: true };

const ALGORITHM = 'aes-256-gcm';
const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const FORMAT = 'v1';

/** Turns the setting into a key: 64 hex digits, or base64 of 32 bytes. Returns `undefined` for anything else. */
export function parseSealingKey(text: string): SealingKey | undefined {
  const bytes = /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex') : Buffer.from(text, 'base64');
  return bytes.length === KEY_BYTES ? (bytes as SealingKey) : undefined;
}

export function seal(plaintext: string, key: SealingKey, purpose: string): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, iv);
  cipher.setAAD(Buffer.from(purpose));
  const sealed = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()]);
  return [FORMAT, ...[iv, cipher.getAuthTag(), sealed].map((part) => part.toString('base64url'))].join('.');
}

/** Opens a sealed text. Throws when the key or purpose is wrong or the text was altered. */
export function unseal(sealedText: string, key: SealingKey, purpose: string): string {
  const [format, iv, tag, sealed] = sealedText.split('.');
  if (format !== FORMAT || iv === undefined || tag === undefined || sealed === undefined)
    throw new Error('Sealed secret has an unknown format');
  const tagBytes = Buffer.from(tag, 'base64url');
  if (tagBytes.length !== TAG_BYTES) throw new Error('Sealed secret has a damaged tag');
  const decipher = createDecipheriv(ALGORITHM, key, Buffer.from(iv, 'base64url'));
  decipher.setAAD(Buffer.from(purpose));
  decipher.setAuthTag(tagBytes);
  return Buffer.concat([decipher.update(Buffer.from(sealed, 'base64url')), decipher.final()]).toString(
    'utf8',
  );
}

/** A keyed digest for values that must be comparable but not readable (end-user ids): first 16 bytes, base64url. */
export function keyedDigest(value: string, key: SealingKey, purpose: string): string {
  return createHash('sha256')
    .update(key)
    .update(`\0${purpose}\0`)
    .update(value)
    .digest()
    .subarray(0, 16)
    .toString('base64url');
}

/** What each sealed value is for; the first argument after the key of `seal` and `unseal`. */
export const SEAL_PURPOSES = {
  upstreamCredential: 'upstream-credential',
  idempotentAnswer: 'idempotent-answer',
  endUser: 'end-user',
  webhookSecret: 'webhook-secret',
} as const;
