/**
 * What a log may say about an unexpected error. The message of a failed query holds its parameters (digests, names), so
 * only its SQLSTATE and constraint are kept; the stack of any error is code, not data, once its first line is gone.
 */
export function describeFault(error: unknown): Record<string, string | undefined> {
  if (!(error instanceof Error)) return { type: typeof error };
  const cause = error.cause instanceof Error ? error.cause : undefined;
  const source: Error & { code?: unknown; constraint_name?: unknown } = cause ?? error;
  const failedQuery = error.message.startsWith('Failed query');
  return {
    type: error.name,
    message: failedQuery ? cause?.message : error.message,
    code: textOrNone(source.code),
    constraint: textOrNone(source.constraint_name),
    stack: error.stack?.slice(error.stack.indexOf('\n    at ') + 1),
  };
}

/** One line for the person at the terminal of a command that failed. */
export function failureLine(error: unknown): string {
  const { type, message, code } = describeFault(error);
  return [message ?? type, code === undefined ? '' : `(${code})`].join(' ').trim();
}

function textOrNone(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
