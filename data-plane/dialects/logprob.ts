import { listOf, objectsOf, textOf } from './json-access.ts';
import type { JsonObject } from './turn.ts';

/** What stands for a probability that the provider did not give; OpenAI's own value for tokens that are not likely at all. */
const UNLIKELY = -9_999;
const MAX_BYTE = 255;

/** A token's log probability with every field that clients may rely on, in OpenAI's words; `bytes` are made where none are given. */
export function completeLogprob(entry: JsonObject): JsonObject {
  return { ...tokenLogprob(entry), top_logprobs: objectsOf(entry.top_logprobs).map(tokenLogprob) };
}

function tokenLogprob(entry: JsonObject): JsonObject {
  const token = textOf(entry.token) ?? '';
  const bytes = listOf(entry.bytes);
  const isGiven = bytes.length > 0 && bytes.every(isByte);
  return {
    token,
    logprob: typeof entry.logprob === 'number' ? entry.logprob : UNLIKELY,
    bytes: isGiven ? [...bytes] : [...Buffer.from(token)],
  };
}

function isByte(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MAX_BYTE;
}
