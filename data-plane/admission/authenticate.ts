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

const BEARER = 'bearer ';
/** Keys whose digests are at hand; hashing costs more than everything else here. Never leaves this process's memory. */
const MAX_REMEMBERED_DIGESTS = 4_096;
const digests = new Map<string, string>();

/** The key a request presents, empty if none. */
export function presentedKey(headers: KeyHeaders, preference: KeyPreference): string {
  const { authorization } = headers;
  const isBearer = authorization.slice(0, BEARER.length).toLowerCase() === BEARER;
  const bearer = isBearer ? authorization.slice(BEARER.length).trim() : '';
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
  const remembered = digests.get(secret);
  const digest = remembered ?? digestApiKey(secret);
  const key = snapshot.findKey(digest);
  if (key === undefined) {
    digests.delete(secret);
    return fault('invalid_api_key', 'Invalid API key.');
  }
  if (remembered === undefined) remember(secret, digest);
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

/** Only keys that are known are remembered, so that strangers cannot push them out. */
function remember(secret: string, digest: string): void {
  if (digests.size >= MAX_REMEMBERED_DIGESTS) digests.clear();
  digests.set(secret, digest);
}
