import type { ProviderFault } from '#data-plane/dialects/dialect.ts';
import { filledText, isJsonObject, objectOf, objectsOf, textOf } from '#data-plane/dialects/json-access.ts';
import {
  isAboutUs,
  MAX_RELAYED_MESSAGE_LENGTH,
  providerFailed,
  providerLimited,
} from '#data-plane/dialects/provider-error-wording.ts';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import { fault } from '#shared/fault.ts';

/** Google names our cloud project and our region where others name an account. */
const ABOUT_OUR_PROJECT = /\bproject\b|\bconsumer\b|user location|SERVICE_DISABLED|API_KEY_INVALID/i;
const DELAY = /^(\d+(?:\.\d+)?)s$/;
const MS_PER_SECOND = 1_000;
/** The only status under which the client's own request is at fault. */
const CLIENTS_MISTAKE = 'INVALID_ARGUMENT';

/**
 * Judges an error answer of Gemini. A bad key comes as 400 here, so the wording decides whose mistake it is; 404 is about
 * the model that we asked for. `status` 200: the error stood inside a successful answer, which then names its own.
 */
export function readGeminiFault(
  status: number,
  retryAfterMs: number | undefined,
  body: Buffer,
): ProviderFault {
  const error = readError(body);
  const code = status === 200 ? error?.code : status;
  const name = textOf(error?.status);
  if (code === 429 || name === 'RESOURCE_EXHAUSTED') {
    return providerLimited(retryAfterMs ?? retryDelayMs(error));
  }
  const message = filledText(error?.message)?.slice(0, MAX_RELAYED_MESSAGE_LENGTH);
  const isClients =
    (code === 400 || code === 413 || code === 422) && (name === undefined || name === CLIENTS_MISTAKE);
  if (!isClients || message === undefined || isOurs(message, error))
    return providerFailed(retryAfterMs ?? retryDelayMs(error));
  return { fault: fault(code === 413 ? 'request_too_large' : 'invalid_request', message), retryable: false };
}

function isOurs(message: string, error: JsonObject | undefined): boolean {
  const reasons = objectsOf(error?.details).map((detail) => textOf(detail.reason) ?? '');
  const wording = [message, ...reasons].join(' ');
  return isAboutUs(wording) || ABOUT_OUR_PROJECT.test(wording);
}

function readError(body: Buffer): JsonObject | undefined {
  let parsed: JsonValue;
  try {
    parsed = JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
  // Without `alt=sse` the error stands in a list.
  const outer = Array.isArray(parsed) ? parsed[0] : parsed;
  return isJsonObject(outer) ? (objectOf(outer.error) ?? outer) : undefined;
}

function retryDelayMs(error: JsonObject | undefined): number | undefined {
  for (const detail of objectsOf(error?.details)) {
    const match = DELAY.exec(textOf(detail.retryDelay) ?? '');
    if (match !== null) return Math.ceil(Number(match[1]) * MS_PER_SECOND);
  }
  return undefined;
}
