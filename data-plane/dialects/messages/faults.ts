import { FAULTS, type Fault } from '#shared/fault.ts';

/** The Anthropic error shape: no code, the type and the status tell. */
export function encodeAnthropicFault(fault: Fault, requestId: string): Buffer {
  const error = { type: FAULTS[fault.kind].anthropicType, message: fault.message };
  return Buffer.from(JSON.stringify({ type: 'error', error, request_id: requestId }));
}
