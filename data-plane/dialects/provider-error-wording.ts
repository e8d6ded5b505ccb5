import type { ProviderFault } from '#data-plane/dialects/dialect.ts';
import { fault } from '#shared/fault.ts';

/** What we tell a client when a provider failed: nothing of the provider's own words. */
const PROVIDER_FAILED = 'The model provider failed to answer. Please retry.';
const PROVIDER_BUSY = 'The model provider is rate limiting requests. Please retry later.';
/** A provider's message is cut to this many characters before it is relayed. */
export const MAX_RELAYED_MESSAGE_LENGTH = 2_000;
/**
 * Words of errors about us, not about the request: keys, accounts, money. Providers send them with any status, so the
 * wording decides; a client must never learn about our accounts.
 */
const ABOUT_OUR_ACCOUNT =
  /\bapi[\s_-]?key|credential|authenticat|unauthori[sz]ed|\bpermission|not have access|credit balance|insufficient balance|billing|payment|\bquota\b|usage limit|spend(?:ing)? limit|\borgani[sz]ation\b|\borg-|\bproj_|\bworkspace\b|your account|subscription|\bsk-/i;
/** Words of errors about the model or address that we asked for: our catalog is wrong, not the client. */
const ABOUT_OUR_ROUTE =
  /model_not_found|no endpoints found|resource not found|model .{0,100}(does not exist|not found)/i;
/** Names of the client's own tools and fields stand in quotes; they may be called anything. */
const QUOTED = /(['"`])[^'"`]{0,100}\1/g;

/** Whether an error is about our account or our route, whatever its status says. */
export function isAboutUs(wording: string): boolean {
  return ABOUT_OUR_ROUTE.test(wording) || ABOUT_OUR_ACCOUNT.test(wording.replaceAll(QUOTED, ' '));
}

/**
 * The provider did not answer, answered something else than its protocol, or answered about us; `retryAfterMs` is what it
 * asked for.
 */
export function providerFailed(retryAfterMs?: number): ProviderFault {
  return { fault: fault('provider_error', PROVIDER_FAILED, retryHint(retryAfterMs)), retryable: true };
}

/** The provider limits us; `retryAfterMs` is what it asked for. */
export function providerLimited(retryAfterMs: number | undefined): ProviderFault {
  return { fault: fault('provider_rate_limited', PROVIDER_BUSY, retryHint(retryAfterMs)), retryable: true };
}

function retryHint(retryAfterMs: number | undefined): { readonly retryAfterMs?: number } {
  return retryAfterMs === undefined ? {} : { retryAfterMs };
}
