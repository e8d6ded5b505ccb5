import { FAULTS, type Fault } from '#shared/fault.ts';

/** What SDKs read besides the message: by this code they fall back to sending the whole history. */
const DETAILS_OF_PARAM: Readonly<Record<string, { readonly error_code: string }>> = {
  thread: { error_code: 'thread_unsupported_request' },
};

/** The Anthropic error shape: no code, the type and the status tell. */
export function encodeAnthropicFault(fault: Fault, requestId: string): Buffer {
  return Buffer.from(JSON.stringify(envelope(fault, requestId)));
}

/** An error in the middle of a stream: the last event of it. */
export function encodeMessagesStreamFault(fault: Fault, requestId: string): Buffer {
  return Buffer.from(`event: error\ndata: ${JSON.stringify(envelope(fault, requestId))}\n\n`);
}

function envelope(fault: Fault, requestId: string): unknown {
  const { kind, param } = fault;
  const details =
    kind === 'unsupported_parameter' && param !== null && Object.hasOwn(DETAILS_OF_PARAM, param)
      ? DETAILS_OF_PARAM[param]
      : undefined;
  const error = {
    type: FAULTS[fault.kind].anthropicType,
    message: fault.message,
    ...(details === undefined ? {} : { details }),
  };
  return { type: 'error', error, request_id: requestId };
}
