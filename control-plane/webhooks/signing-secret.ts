import { randomBytes } from 'node:crypto';
import { SEAL_PURPOSES, type SealingKey, seal, unseal } from '#shared/sealed-secret.ts';

const PREFIX = 'whsec_';
const SECRET_BYTES = 32;

/** A new secret in the form that the libraries of Standard Webhooks read, and its sealed form for the database. */
export function mintSigningSecret(key: SealingKey): { secret: string; sealed: string } {
  const secret = `${PREFIX}${randomBytes(SECRET_BYTES).toString('base64')}`;
  return { secret, sealed: seal(secret, key, SEAL_PURPOSES.webhookSecret) };
}

/** Opens a sealed secret. Throws when it was sealed with another key. */
export function openSigningSecret(sealed: string, key: SealingKey): string {
  return unseal(sealed, key, SEAL_PURPOSES.webhookSecret);
}
