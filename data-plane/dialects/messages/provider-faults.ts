import type { ProviderFault } from '#data-plane/dialects/dialect.ts';
import { filledText, isJsonObject, objectOf } from '#data-plane/dialects/json-access.ts';
import {
  isAboutUs,
  MAX_RELAYED_MESSAGE_LENGTH,
  providerFailed,
  providerLimited,
} from '#data-plane/dialects/provider-error-wording.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import { fault } from '#shared/fault.ts';

/** The status that each error type goes with, for errors inside a stream. */
const STATUS_OF_TYPE: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
};
/** The provider's answer to a model that it does not have. */
const UNKNOWN_MODEL = /^model:/;

/** Judges an error answer; `status` 200 for an error inside a successful one. */
export function readProviderFault(
  status: number,
  retryAfterMs: number | undefined,
  body: Buffer,
): ProviderFault {
  return readAnthropicFault(status, retryAfterMs, parse(body));
}

/**
 * The same for an envelope that is parsed already. Only the client's own mistakes are passed on, in the provider's words;
 * everything about our key, account or route becomes `provider_error`; a limit becomes `provider_rate_limited`.
 */
export function readAnthropicFault(
  status: number,
  retryAfterMs: number | undefined,
  envelope: JsonObject,
): ProviderFault {
  const error = objectOf(envelope.error) ?? {};
  const type = filledText(error.type) ?? '';
  const effective =
    status === 200 ? (Object.hasOwn(STATUS_OF_TYPE, type) ? STATUS_OF_TYPE[type] : 500) : status;
  if (effective === 429) return providerLimited(retryAfterMs);
  const message = filledText(error.message)?.slice(0, MAX_RELAYED_MESSAGE_LENGTH);
  const isClients = effective === 400 || effective === 404 || effective === 413 || effective === 422;
  if (!isClients || message === undefined || isOurs(type, message)) return providerFailed(retryAfterMs);
  const kind = effective === 413 ? 'request_too_large' : 'invalid_request';
  return { fault: fault(kind, message), retryable: false };
}

function isOurs(type: string, message: string): boolean {
  return (
    type === 'authentication_error' ||
    type === 'billing_error' ||
    type === 'permission_error' ||
    isAboutUs(message) ||
    UNKNOWN_MODEL.test(message)
  );
}

function parse(body: Buffer): JsonObject {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'));
    return isJsonObject(parsed) ? parsed : {};
  } catch {
    return {};
  }
}
