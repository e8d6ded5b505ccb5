/**
 * The closed list of ways a request can fail, and what each means for every dialect. Messages and codes are those of the
 * public documentation where it names one; a dialect only decides the envelope.
 */
export type FaultKind = keyof typeof FAULTS;

interface FaultRow {
  readonly status: number;
  /** Stable code of the OpenAI error shape. */
  readonly code: string;
  readonly openaiType:
    | 'invalid_request_error'
    | 'authentication_error'
    | 'billing_error'
    | 'rate_limit_error'
    | 'api_error'
    | 'provider_error';
  readonly anthropicType:
    | 'invalid_request_error'
    | 'authentication_error'
    | 'billing_error'
    | 'not_found_error'
    | 'request_too_large'
    | 'rate_limit_error'
    | 'api_error'
    | 'overloaded_error';
  /** Whose mistake it is; only the client's own mistakes may be relayed in a provider's words. */
  readonly blame: 'client' | 'gateway' | 'provider';
}

const badRequest = (code: string): FaultRow => ({
  status: 400,
  code,
  openaiType: 'invalid_request_error',
  anthropicType: 'invalid_request_error',
  blame: 'client',
});
const unauthorized = (code: string): FaultRow => ({
  status: 401,
  code,
  openaiType: 'authentication_error',
  anthropicType: 'authentication_error',
  blame: 'client',
});
const unpaid = (code: string): FaultRow => ({
  status: 402,
  code,
  openaiType: 'billing_error',
  anthropicType: 'billing_error',
  blame: 'client',
});

export const FAULTS = {
  invalid_json: badRequest('invalid_json'),
  invalid_messages: badRequest('invalid_messages'),
  unsupported_message_role: badRequest('unsupported_message_role'),
  unsupported_parameter: badRequest('unsupported_parameter'),
  unsupported_responses_feature: badRequest('unsupported_responses_feature'),
  tool_call_id_mismatch: badRequest('tool_call_id_mismatch'),
  invalid_request: badRequest('invalid_request'),
  missing_api_key: unauthorized('missing_api_key'),
  invalid_api_key: unauthorized('invalid_api_key'),
  api_key_inactive: unauthorized('api_key_inactive'),
  user_inactive: unauthorized('user_inactive'),
  insufficient_balance: unpaid('insufficient_balance'),
  no_wallet: unpaid('no_wallet'),
  model_not_found: {
    status: 404,
    code: 'model_not_found',
    openaiType: 'invalid_request_error',
    anthropicType: 'not_found_error',
    blame: 'client',
  },
  route_not_found: {
    status: 404,
    code: 'not_found',
    openaiType: 'invalid_request_error',
    anthropicType: 'not_found_error',
    blame: 'client',
  },
  method_not_allowed: {
    status: 405,
    code: 'method_not_allowed',
    openaiType: 'invalid_request_error',
    anthropicType: 'invalid_request_error',
    blame: 'client',
  },
  request_timeout: {
    status: 408,
    code: 'request_timeout',
    openaiType: 'invalid_request_error',
    anthropicType: 'invalid_request_error',
    blame: 'client',
  },
  request_too_large: {
    status: 413,
    code: 'request_too_large',
    openaiType: 'invalid_request_error',
    anthropicType: 'request_too_large',
    blame: 'client',
  },
  rate_limit_exceeded: {
    status: 429,
    code: 'rate_limit_exceeded',
    openaiType: 'rate_limit_error',
    anthropicType: 'rate_limit_error',
    blame: 'client',
  },
  provider_rate_limited: {
    status: 429,
    code: 'provider_rate_limited',
    openaiType: 'rate_limit_error',
    anthropicType: 'rate_limit_error',
    blame: 'provider',
  },
  /** The client hung up before the answer was complete. Nobody reads this answer; the record does. */
  client_closed: {
    status: 499,
    code: 'client_closed',
    openaiType: 'invalid_request_error',
    anthropicType: 'invalid_request_error',
    blame: 'client',
  },
  internal_error: {
    status: 500,
    code: 'internal_error',
    openaiType: 'api_error',
    anthropicType: 'api_error',
    blame: 'gateway',
  },
  db_error: {
    status: 500,
    code: 'db_error',
    openaiType: 'api_error',
    anthropicType: 'api_error',
    blame: 'gateway',
  },
  provider_error: {
    status: 502,
    code: 'provider_error',
    openaiType: 'provider_error',
    anthropicType: 'api_error',
    blame: 'provider',
  },
  model_unavailable: {
    status: 503,
    code: 'model_unavailable',
    openaiType: 'api_error',
    anthropicType: 'overloaded_error',
    blame: 'gateway',
  },
} as const satisfies Record<string, FaultRow>;

/** One failure of one request. `message` is safe to show: it never quotes a body, a key or a credential. */
export interface Fault {
  readonly kind: FaultKind;
  readonly message: string;
  /** The request field at fault, where there is one. */
  readonly param: string | null;
  /** When a retry can succeed, in ms; becomes `retry-after`. */
  readonly retryAfterMs?: number;
  /** An error body of a provider about the client's own mistake, relayed as it came (same dialect only). */
  readonly relayed?: { readonly status: number; readonly body: Uint8Array };
}

export function fault(
  kind: FaultKind,
  message: string,
  extra: Partial<Omit<Fault, 'kind' | 'message'>> = {},
): Fault {
  return { kind, message, param: null, ...extra };
}

/** True for a returned failure; a `Fault` is a value, never thrown. */
export function isFault(value: unknown): value is Fault {
  return (
    typeof value === 'object' &&
    value !== null &&
    'kind' in value &&
    (value as Fault).kind in FAULTS &&
    'message' in value
  );
}
