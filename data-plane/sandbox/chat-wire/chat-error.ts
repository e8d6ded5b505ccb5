/** An error in the protocol's own terms. */
export interface WireError {
  readonly status: number;
  readonly type: string;
  readonly code: string | null;
  readonly param: string | null;
  readonly message: string;
}

/** `{"error":{…}}`, the body of every error answer and of the error event inside a stream. */
export function encodeChatError(error: WireError): string {
  const { message, type, param, code } = error;
  return JSON.stringify({ error: { message, type, param, code } });
}

export function isWireError(value: object): value is WireError {
  return 'status' in value && 'message' in value;
}

const KNOWN: Readonly<Record<number, readonly [type: string, code: string | null]>> = {
  400: ['invalid_request_error', 'invalid_value'],
  401: ['invalid_request_error', 'invalid_api_key'],
  402: ['insufficient_quota', 'insufficient_balance'],
  403: ['invalid_request_error', 'unsupported_country_region_territory'],
  404: ['invalid_request_error', 'model_not_found'],
  413: ['invalid_request_error', 'request_too_large'],
  429: ['requests', 'rate_limit_exceeded'],
};

/** The error that a developer asked for with `sandbox:error:<status>`. */
export function requestedError(status: number): WireError {
  const [type, code] = KNOWN[status] ?? [status < 500 ? 'invalid_request_error' : 'server_error', null];
  return {
    status,
    type,
    code,
    param: null,
    message: `The sandbox was asked to answer with status ${status}.`,
  };
}

export const STREAM_FAILURE: WireError = {
  status: 500,
  type: 'server_error',
  code: null,
  param: null,
  message: 'The sandbox was asked to fail in the middle of the stream.',
};
