import { encodeChatError } from '../chat-wire/chat-error.ts';
import type { WireError } from '../wire-error.ts';

/** The body of an error answer, the same at all of OpenAI's endpoints. */
export const encodeResponsesError = encodeChatError;

/** Members of the `error` event of a stream: flat as documented, and nested as OpenAI sends it. */
export function streamErrorMembers(error: WireError): object {
  const { code, message } = turnErrorOf(error);
  const { param } = error;
  return { code, message, param, error: { type: code, code, message, param } };
}

/** `error` of a response that failed. */
export function turnErrorOf({ status, message }: WireError): {
  readonly code: string;
  readonly message: string;
} {
  return { code: status === 429 ? 'rate_limit_exceeded' : 'server_error', message };
}
