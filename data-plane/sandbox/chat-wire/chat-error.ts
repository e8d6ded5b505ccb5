import type { WireError } from '../wire-error.ts';

const KNOWN: Readonly<Record<number, readonly [type: string, code: string | null]>> = {
  400: ['invalid_request_error', 'invalid_value'],
  401: ['invalid_request_error', 'invalid_api_key'],
  402: ['insufficient_quota', 'insufficient_balance'],
  403: ['invalid_request_error', 'unsupported_country_region_territory'],
  404: ['invalid_request_error', 'model_not_found'],
  413: ['invalid_request_error', 'request_too_large'],
  429: ['requests', 'rate_limit_exceeded'],
};

/** `{"error":{…}}`, the body of OpenAI's error answers and of the error event inside a chat stream. */
export function encodeChatError(error: WireError): string {
  const [type, usualCode] = KNOWN[error.status] ?? [
    error.status < 500 ? 'invalid_request_error' : 'server_error',
    null,
  ];
  const { message, param, code = usualCode } = error;
  return JSON.stringify({ error: { message, type, param, code } });
}
