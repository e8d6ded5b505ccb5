import type { CompiledKey, CompiledSnapshot } from '#data-plane/snapshot/compiled-snapshot.ts';
import { digestApiKey } from '#shared/api-key.ts';
import { type Fault, fault } from '#shared/fault.ts';

/** Which header counts when a request carries both: `x-api-key` on Messages, Bearer elsewhere. */
export type KeyPreference = 'bearer' | 'x-api-key';

export interface KeyHeaders {
  readonly authorization: string;
  readonly xApiKey: string;
}

/** A known key that may not be used, so that the refusal can be recorded against it. */
export interface InactiveKey {
  readonly key: CompiledKey;
  readonly fault: Fault;
}

const BEARER = /^bearer +(.*)$/i;

/** The key a request presents, empty if none. */
export function presentedKey(headers: KeyHeaders, preference: KeyPreference): string {
  const bearer = BEARER.exec(headers.authorization)?.[1]?.trim() ?? '';
  const xApiKey = headers.xApiKey.trim();
  return preference === 'bearer' ? bearer || xApiKey : xApiKey || bearer;
}

/**
 * Finds the key that a request presents, in memory only. A fault for a missing or unknown key; an {@link InactiveKey} for a
 * known one that is disabled, expired or whose account is suspended.
 */
export function authenticate(
  secret: string,
  shape: 'openai' | 'anthropic',
  snapshot: CompiledSnapshot,
  nowMs: number,
): CompiledKey | InactiveKey | Fault {
  if (secret === '') {
    const message = shape === 'openai' ? 'Missing Bearer token in Authorization header.' : 'Missing API key.';
    return fault('missing_api_key', message);
  }
  const key = snapshot.findKey(digestApiKey(secret));
  if (key === undefined) return fault('invalid_api_key', 'Invalid API key.');
  const { status, expiresAtMs, accountId } = key.config;
  if (status !== 'active') return { key, fault: fault('api_key_inactive', 'This API key is disabled.') };
  if (expiresAtMs !== null && expiresAtMs <= nowMs) {
    return { key, fault: fault('api_key_inactive', 'This API key has expired.') };
  }
  if (snapshot.findAccount(accountId)?.status !== 'active') {
    return { key, fault: fault('user_inactive', 'This account is not active.') };
  }
  return key;
}
