import type { CompiledKey, CompiledSnapshot } from '#data-plane/snapshot/compiled-snapshot.ts';
import { AddressRanges } from '#shared/address-range.ts';
import { digestApiKey } from '#shared/api-key.ts';
import { type Fault, fault } from '#shared/fault.ts';
import type { SnapshotKey } from '#shared/snapshot.ts';

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
const RETRY_MS = 1_000;
/** Keys whose digests are at hand; hashing costs more than everything else here. Never leaves this process's memory. */
const MAX_REMEMBERED_DIGESTS = 4_096;
const digests = new Map<string, string>();

/** The key a request presents, empty if none. */
export function presentedKey(headers: KeyHeaders, preference: KeyPreference): string {
  const { authorization } = headers;
  const isBearer = authorization.slice(0, BEARER.length).toLowerCase() === BEARER;
  const bearer = isBearer ? authorization.slice(BEARER.length).trim() : '';
  if (preference === 'bearer' && bearer !== '') return bearer;
  return headers.xApiKey.trim() || bearer;
}

/** What a request shows of who sends it. */
export interface PresentedCaller {
  /** The key, empty if none. */
  readonly secret: string;
  /** The dialect family that an error is told in. */
  readonly shape: 'openai' | 'anthropic';
  /** The client's address; read only where a key says from where it may be used. */
  readonly address: () => string;
}

/**
 * Finds the key that a request presents, in memory only. A fault for a missing or unknown key (one to retry where the
 * snapshot may lack it), and for a rotated one whose time is over; an {@link InactiveKey} for a known one that is disabled,
 * expired, used from elsewhere than it may, or whose account is suspended.
 */
export function authenticate(
  { secret, shape, address }: PresentedCaller,
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
  if (key === undefined || !opens(key.config, digest, nowMs)) {
    digests.delete(secret);
    return key === undefined && snapshot.mayLackNewest
      ? cannotTell()
      : fault('invalid_api_key', 'Invalid API key.');
  }
  if (remembered === undefined) remember(secret, digest);
  const refusal = refusalOf(key.config, snapshot, nowMs, address);
  return refusal === undefined ? key : { key, fault: refusal };
}

/** A key made since the copy was written must not be called invalid: clients do not try again after that. */
function cannotTell(): Fault {
  return fault('model_unavailable', 'API keys cannot be checked right now. Please retry in a moment.', {
    retryAfterMs: RETRY_MS,
  });
}

/** A key is found by its own digest and by that of the secret before its last rotation, which works for a while. */
function opens({ digest, previousSecret }: SnapshotKey, presented: string, nowMs: number): boolean {
  return digest === presented || (previousSecret !== undefined && nowMs < previousSecret.validUntilMs);
}

function refusalOf(
  { status, expiresAtMs, accountId, allowedAddresses }: SnapshotKey,
  snapshot: CompiledSnapshot,
  nowMs: number,
  address: () => string,
): Fault | undefined {
  if (status !== 'active') return fault('api_key_inactive', 'This API key is disabled.');
  if (expiresAtMs !== null && expiresAtMs <= nowMs)
    return fault('api_key_inactive', 'This API key has expired.');
  if (snapshot.findAccount(accountId)?.status !== 'active')
    return fault('user_inactive', 'This account is not active.');
  if (allowedAddresses !== undefined && !rangesOf(allowedAddresses).includes(address()))
    return fault('api_key_inactive', 'This API key may not be used from this address.');
  return undefined;
}

/** Built when a key with such a list is first used: few keys have one, and a million keys must fit. */
const compiledRanges = new WeakMap<readonly string[], AddressRanges>();

function rangesOf(allowed: readonly string[]): AddressRanges {
  let ranges = compiledRanges.get(allowed);
  if (ranges === undefined) {
    ranges = new AddressRanges(allowed);
    compiledRanges.set(allowed, ranges);
  }
  return ranges;
}

/** Only keys that are known are remembered, so that strangers cannot push them out. */
function remember(secret: string, digest: string): void {
  if (digests.size >= MAX_REMEMBERED_DIGESTS) digests.clear();
  digests.set(secret, digest);
}
