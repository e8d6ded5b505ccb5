import type { ProviderFault } from '#data-plane/dialects/dialect.ts';
import { fault } from '#shared/fault.ts';
import { encodeOpenAiError } from './faults.ts';

/** What we tell a client when a provider failed: nothing of the provider's own words. */
const PROVIDER_FAILED = 'The model provider failed to answer. Please retry.';
const PROVIDER_BUSY = 'The model provider is rate limiting requests. Please retry later.';
/**
 * Words of errors about us, not about the request: keys, accounts, money. Providers send them with any status, so the
 * wording decides; a client must never learn about our accounts.
 */
const ABOUT_OUR_ACCOUNT =
  /\bapi[\s_-]?key|credential|authenticat|unauthori[sz]ed|\bpermission|credit balance|insufficient balance|billing|\bquota\b|\borgani[sz]ation\b|your account|subscription/i;
/** Words of errors about the model or address that we asked for: our catalog is wrong, not the client. */
const ABOUT_OUR_ROUTE =
  /model_not_found|no endpoints found|resource not found|model .{0,100}(does not exist|not found)/i;
const MAX_MESSAGE_LENGTH = 2_000;
const PLAIN_CODE = /^[a-z][a-z0-9_.-]{0,63}$/i;

export function providerFailed(): ProviderFault {
  return { fault: fault('provider_error', PROVIDER_FAILED), retryable: true };
}

/**
 * Judges an error answer of a chat provider. The client's own mistakes are passed on in the OpenAI shape with status 400;
 * everything about our key, account or route becomes `provider_error`; a limit becomes `provider_rate_limited`.
 * `status` is the HTTP status, or 200 for an error inside a successful answer.
 */
export function readProviderFault(
  status: number,
  retryAfterMs: number | undefined,
  body: Buffer,
): ProviderFault {
  const error = readError(body);
  const effective = status === 200 ? (error.status ?? 500) : status;
  if (effective === 429) {
    if (error.isOurEmptyAccount) return providerFailed();
    const limited = fault(
      'provider_rate_limited',
      PROVIDER_BUSY,
      retryAfterMs === undefined ? {} : { retryAfterMs },
    );
    return { fault: limited, retryable: true };
  }
  const mayBeClients = effective === 400 || effective === 404 || effective === 413 || effective === 422;
  if (!mayBeClients || error.message === undefined || error.isAboutUs) return providerFailed();
  if (effective === 404 && error.param === null) return providerFailed();
  const relayed = {
    message: error.message,
    type: 'invalid_request_error',
    param: error.param,
    code: error.code ?? 'invalid_request',
  };
  return {
    fault: fault('invalid_request', error.message, {
      param: error.param,
      relayed: { status: 400, body: encodeOpenAiError(relayed) },
    }),
    retryable: false,
  };
}

interface ErrorDetails {
  readonly message: string | undefined;
  readonly param: string | null;
  readonly code: string | undefined;
  /** Numeric status inside the body, where the HTTP status says 200. */
  readonly status: number | undefined;
  readonly isAboutUs: boolean;
  readonly isOurEmptyAccount: boolean;
}

/** Finds the parts of an error in the shapes that providers use; see the tests for whose is whose. */
function readError(body: Buffer): ErrorDetails {
  const whole = parse(body);
  const outer = asRecord(whole) ?? {};
  const choice = Array.isArray(outer.choices) ? asRecord(outer.choices[0]) : undefined;
  const inner = asRecord(outer.error) ?? asRecord(choice?.error) ?? outer;
  const message = firstText(inner.message, outer.error, outer.detail, outer.message)?.slice(
    0,
    MAX_MESSAGE_LENGTH,
  );
  const codeText = firstText(inner.code, inner.type, outer.code);
  const wording = `${message ?? ''} ${codeText ?? ''} ${firstText(inner.type) ?? ''}`;
  const status = firstNumber(inner.status_code, inner.code, inner.status, outer.status_code);
  return {
    message,
    param: firstText(inner.param) ?? null,
    code: codeText !== undefined && PLAIN_CODE.test(codeText) ? codeText : undefined,
    status: status ?? (inner.type === 'invalid_request_error' ? 400 : undefined),
    isAboutUs: ABOUT_OUR_ACCOUNT.test(wording) || ABOUT_OUR_ROUTE.test(wording),
    isOurEmptyAccount: wording.includes('insufficient_quota'),
  };
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

function asRecord(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

function firstText(...values: unknown[]): string | undefined {
  return values.find((value): value is string => typeof value === 'string' && value !== '');
}

function firstNumber(...values: unknown[]): number | undefined {
  return values.find((value): value is number => typeof value === 'number' && value >= 400 && value < 600);
}
