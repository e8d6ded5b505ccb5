import { isOwnState, sealState } from '../opaque-state.ts';

const CALL_FAMILY = 'gemini.call';
const TEXT_FAMILY = 'gemini.text';
/** What Google documents for calls that no Gemini model made. */
const UNSIGNED = 'skip_thought_signature_validator';

export function signCall(name: string): string {
  return sealState(CALL_FAMILY, name);
}

export function signText(): string {
  return sealState(TEXT_FAMILY, '');
}

/** True for a signature that the sandbox gave to a call of this function, or to a text when there is no call. */
export function isOwnSignature(signature: string, callName: string | undefined): boolean {
  const value = standardBase64(signature);
  if (value === standardBase64(UNSIGNED)) return true;
  return callName === undefined
    ? isOwnState(value, TEXT_FAMILY, '')
    : isOwnState(value, CALL_FAMILY, callName);
}

/** Bytes may be written in either alphabet of base64: Google's own Python client gives back the other one. */
function standardBase64(text: string): string {
  return text.replaceAll('-', '+').replaceAll('_', '/');
}
