import type { ProviderFault } from '#data-plane/dialects/dialect.ts';
import {
  isAboutUs,
  MAX_RELAYED_MESSAGE_LENGTH,
  providerFailed,
  providerLimited,
} from '#data-plane/dialects/provider-error-wording.ts';
import { FAULTS, fault } from '#shared/fault.ts';
import { encodeOpenAiError } from './faults.ts';

const PLAIN_CODE = /^[a-z][a-z0-9_.-]{0,63}$/i;

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
  if (effective === 429)
    return error.isOurEmptyAccount ? providerFailed(retryAfterMs) : providerLimited(retryAfterMs);
  const mayBeClients = effective === 400 || effective === 404 || effective === 413 || effective === 422;
  const isOurs = error.isAboutUs || (effective === 404 && error.param === null);
  if (!mayBeClients || error.message === undefined || isOurs) return providerFailed(retryAfterMs);
  const kind = effective === 413 ? 'request_too_large' : 'invalid_request';
  const relayed = {
    message: error.message,
    type: 'invalid_request_error',
    param: error.param,
    code: error.code ?? FAULTS[kind].code,
  };
  return {
    fault: fault(kind, error.message, {
      param: error.param,
      relayed: { status: FAULTS[kind].status, body: encodeOpenAiError(relayed) },
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
    MAX_RELAYED_MESSAGE_LENGTH,
  );
  const codeText = firstText(inner.code, inner.type, outer.code);
  const wording = `${message ?? ''} ${codeText ?? ''} ${firstText(inner.type) ?? ''}`;
  const status = firstNumber(inner.status_code, inner.code, inner.status, outer.status_code);
  return {
    message,
    param: firstText(inner.param) ?? null,
    code: codeText !== undefined && PLAIN_CODE.test(codeText) ? codeText : undefined,
    status: status ?? statusOf(inner),
    isAboutUs: isAboutUs(wording),
    isOurEmptyAccount: wording.includes('insufficient_quota'),
  };
}

/** What the words of an error without a number come to. */
function statusOf({ code, type }: Record<string, unknown>): number | undefined {
  if (LIMITED.has(code) || LIMITED.has(type)) return 429;
  return type === 'invalid_request_error' ? 400 : undefined;
}

const LIMITED: ReadonlySet<unknown> = new Set([
  'rate_limit_exceeded',
  'rate_limit_error',
  'too_many_requests',
]);

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
