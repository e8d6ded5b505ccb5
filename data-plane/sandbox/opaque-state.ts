import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/**
 * Stands for the reasoning that a provider hands out sealed and wants back unchanged. Not a secret: it only has to tell
 * the sandbox's own values from altered and foreign ones, also after a restart.
 */
const SEAL_KEY = 'sandbox reasoning seal';
const NONCE_BYTES = 24;
const DIGEST_BYTES = 32;

/** A new opaque value, different each time, that belongs to `bound` in the protocol `family`. */
export function sealState(family: string, bound: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  return Buffer.concat([nonce, digestOf(family, nonce, bound)]).toString('base64');
}

/** True for a value that {@link sealState} made for the same family and bound text, character for character. */
export function isOwnState(value: string, family: string, bound: string): boolean {
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length !== NONCE_BYTES + DIGEST_BYTES || bytes.toString('base64') !== value) return false;
  const nonce = bytes.subarray(0, NONCE_BYTES);
  return timingSafeEqual(bytes.subarray(NONCE_BYTES), digestOf(family, nonce, bound));
}

function digestOf(family: string, nonce: Buffer, bound: string): Buffer {
  return createHmac('sha256', SEAL_KEY).update(family).update('\0').update(nonce).update(bound).digest();
}
