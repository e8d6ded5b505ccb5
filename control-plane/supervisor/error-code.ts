/** `ECONNREFUSED`, `28P01` ...: what can be shown of an error whose message may hold an address, a statement or a secret. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : 'unknown error';
}
