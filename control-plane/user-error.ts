/**
 * The closed list of expected failures of the control plane's verbs, with what each means. A verb returns them as
 * values; the API shows them as `userErrors` of a mutation's payload.
 */
export const USER_ERRORS = {
  INVALID_INPUT: 'A value is malformed or outside its allowed range.',
  NOT_FOUND: 'Nothing with this id exists, or it is not yours.',
  FORBIDDEN: 'The caller may see this, but not do that with it.',
  NAME_TAKEN: 'Another object already has this name.',
  EXTERNAL_ID_TAKEN: 'Another object of the same owner already has this external id.',
  API_KEY_DELETED: 'The API key is deleted and cannot be changed any more.',
  API_KEY_LIMIT_REACHED: 'The account has as many API keys as it may have.',
  ALIAS_LIMIT_REACHED: 'The API key has as many aliases as it may have.',
  MODEL_RETIRED: 'The model is retired and cannot be a target.',
  PRICE_TIME_TAKEN: 'The model already has a price version with this effective time.',
  UPSTREAM_MANAGED_BY_ENVIRONMENT:
    'The upstream follows the environment of the installation and cannot be edited.',
  WEBHOOK_LIMIT_REACHED: 'The account has as many webhook endpoints as it may have.',
  WEBHOOK_DISABLED: 'The webhook endpoint is disabled; enable it first.',
  TRY_AGAIN: 'Something that is needed is away for the moment; the same request may succeed in a while.',
  CHECKOUT_OVER: 'The Checkout page of this top-up is over; begin a new one.',
  PAYMENTS_OFF: 'This installation takes no payments.',
  PAYMENT_LIMIT_REACHED: 'Too many or too large top-ups in a short time.',
  NOT_REFUNDABLE: 'The top-up cannot be refunded, or not by this amount.',
  SUSPENDED_BY_OPERATOR: 'An operator has suspended the account, so only an operator can activate it.',
  NOT_A_PARTNER: 'Only a partner account owns customer accounts.',
  NOT_REVERSIBLE: 'The ledger transaction cannot be reversed, or has been.',
  QUARANTINE_RESOLVED: 'The record has been booked or discarded before.',
  STILL_POISON: 'The record still cannot be booked; its reason says why.',
  INSUFFICIENT_CREDIT: 'The account that gives has less credit than that.',
  ALREADY_MEMBER: 'This person is a member already.',
  INVITATION_INVALID:
    'The invitation is unknown, used, revoked or expired, or it is for another e-mail address.',
  LAST_OWNER: 'An account keeps at least one owner.',
  EXPORT_LIMIT_REACHED: 'The account has as many exports as it may have.',
  ACCOUNT_LIMIT_REACHED: 'The person has as many accounts as one may open.',
  IDEMPOTENCY_KEY_REQUIRED: 'This mutation moves money and needs an idempotency key.',
  IDEMPOTENCY_KEY_REUSED: 'The idempotency key was used before with another mutation or other input.',
} as const;

export type UserErrorCode = keyof typeof USER_ERRORS;

export interface UserError {
  readonly code: UserErrorCode;
  /** For people; never quotes a secret. */
  readonly message: string;
  /** The input field at fault, from the outside in; empty when it is none in particular. */
  readonly path: readonly string[];
}

/** What a verb returns: its result, or why it refused. A refusal has changed nothing. */
export type Outcome<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly errors: readonly UserError[] };

export function succeeded<Value>(value: Value): Outcome<Value> {
  return { ok: true, value };
}

export function refused(errors: readonly UserError[]): Outcome<never> {
  return { ok: false, errors };
}

export function userError(code: UserErrorCode, message: string, ...path: string[]): UserError {
  return { code, message, path };
}
