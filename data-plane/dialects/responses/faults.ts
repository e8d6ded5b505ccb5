import { readProviderFault as readOpenAiFault } from '#data-plane/dialects/chat/provider-faults.ts';
import type { ProviderFault } from '#data-plane/dialects/dialect.ts';
import { isJsonObject, parseJsonObject, textOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import { FAULTS, type Fault, type FaultKind } from '#shared/fault.ts';

const HTTP_OK = 200;
/** HTTP status of an error that came inside a successful answer, by its code. The others are the provider's failures. */
const STATUS_BY_CODE: ReadonlyMap<string, number> = new Map([
  ['rate_limit_exceeded', 429],
  ['invalid_prompt', 400],
  ['bio_policy', 400],
  ['cyber_policy', 400],
  ['context_length_exceeded', 400],
  ['invalid_encrypted_content', 400],
  ['invalid_image', 400],
  ['invalid_image_format', 400],
  ['invalid_base64_image', 400],
  ['invalid_image_url', 400],
  ['image_too_large', 400],
  ['image_too_small', 400],
  ['image_parse_error', 400],
  ['image_content_policy_violation', 400],
  ['invalid_image_mode', 400],
  ['image_file_too_large', 400],
  ['unsupported_image_media_type', 400],
  ['empty_image_file', 400],
  ['failed_to_download_image', 400],
  ['image_file_not_found', 400],
]);
/** Codes that the schema of a failed response knows; all else is `server_error`. */
const RESPONSE_ERROR_CODES: Readonly<Partial<Record<FaultKind, string>>> = {
  invalid_request: 'invalid_prompt',
  invalid_messages: 'invalid_prompt',
  unsupported_parameter: 'invalid_prompt',
  rate_limit_exceeded: 'rate_limit_exceeded',
  provider_rate_limited: 'rate_limit_exceeded',
};

/**
 * Members of the `error` event of a client's stream. OpenAI writes them flat, Open Responses nested under `error`: both
 * are there.
 */
export function streamError(fault: Fault): JsonObject {
  const { code, openaiType } = FAULTS[fault.kind];
  const { message, param } = fault;
  return { code, message, param, error: { type: openaiType, code, message, param } };
}

/** `error` of a response object that failed. */
export function responseError(fault: Fault): { readonly code: string; readonly message: string } {
  return { code: RESPONSE_ERROR_CODES[fault.kind] ?? 'server_error', message: fault.message };
}

/** Judges an error answer of a Responses provider; the shape and the judgement are OpenAI's. */
export function readProviderFault(
  status: number,
  retryAfterMs: number | undefined,
  body: Buffer,
): ProviderFault {
  if (status !== HTTP_OK) return readOpenAiFault(status, retryAfterMs, body);
  return readErrorInside(parseJsonObject(body.toString('utf8')) ?? {}, retryAfterMs);
}

/** Judges an error inside a successful answer: an `error` event, flat or nested, or a failed response. */
export function readErrorInside(payload: JsonObject, retryAfterMs?: number): ProviderFault {
  const response = isJsonObject(payload.response) ? payload.response : payload;
  const error = isJsonObject(response.error) ? response.error : payload;
  const code = textOf(error.code) ?? textOf(error.type) ?? '';
  const status = STATUS_BY_CODE.get(code);
  return readOpenAiFault(status ?? HTTP_OK, retryAfterMs, Buffer.from(JSON.stringify({ error })));
}
