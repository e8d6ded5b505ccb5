import { FAULTS, type Fault } from '#shared/fault.ts';

export interface OpenAiError {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string;
}

/** The OpenAI error shape; `code` is its stable part. */
export function encodeOpenAiError(error: OpenAiError): Buffer {
  const { message, type, param, code } = error;
  return Buffer.from(JSON.stringify({ error: { message, type, param, code } }));
}

/** Body of an error answer. A relayed provider error goes out as it was prepared. */
export function encodeOpenAiFault(fault: Fault): Buffer {
  if (fault.relayed !== undefined) return Buffer.from(fault.relayed.body);
  const { openaiType, code } = FAULTS[fault.kind];
  return encodeOpenAiError({ message: fault.message, type: openaiType, param: fault.param, code });
}

/** An error in the middle of a chat stream: a data event; no end marker follows. */
export function encodeChatStreamFault(fault: Fault): Buffer {
  return Buffer.concat([Buffer.from('data: '), encodeOpenAiFault(fault), Buffer.from('\n\n')]);
}
