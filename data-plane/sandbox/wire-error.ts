import type { z } from 'zod';

/** An error before a protocol writes it in its own terms. */
export interface WireError {
  readonly status: number;
  readonly message: string;
  /** Path of the field at fault. */
  readonly param: string | null;
  /** Where the protocol has codes; absent: the one that usually goes with the status. */
  readonly code?: string | null;
}

export function isWireError(value: object): value is WireError {
  return 'status' in value && 'message' in value;
}

/** The error that a developer asked for with `sandbox:error:<status>`. */
export function requestedError(status: number): WireError {
  return { status, message: `The sandbox was asked to answer with status ${status}.`, param: null };
}

export const STREAM_FAILURE: WireError = {
  status: 500,
  message: 'The sandbox was asked to fail in the middle of the stream.',
  param: null,
};

/** Names the first field that is not what the protocol documents. */
export function invalidRequest(error: z.ZodError): WireError {
  const [issue] = error.issues;
  const param = (issue?.path ?? [])
    .map((step, index) =>
      typeof step === 'number' ? `[${step}]` : `${index === 0 ? '' : '.'}${String(step)}`,
    )
    .join('');
  return {
    status: 400,
    code: issue?.code === 'invalid_type' ? 'invalid_type' : 'invalid_value',
    param: param === '' ? null : param,
    message: `Invalid request${param === '' ? '' : ` at '${param}'`}: ${issue?.message ?? 'not an object'}`,
  };
}
