import { type UserError, userError } from './user-error.ts';

const MAX_NAME_LENGTH = 128;
const MAX_EXTERNAL_ID_LENGTH = 255;
export const CONTROL_CHARACTERS = /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/u;
/** Something to see: zero-width and combining characters alone look like no name at all. */
const VISIBLE_CHARACTER = /[\p{Letter}\p{Number}\p{Punctuation}\p{Symbol}]/u;

/** Names are for people: 1 to 128 characters, no control or text-direction characters, no space at the ends. */
export function checkName(value: string, ...path: string[]): UserError[] {
  return checkText(value, 'A name', MAX_NAME_LENGTH, path);
}

/** A caller's own id: 1 to 255 characters, no control characters, no space at the ends. */
export function checkExternalId(value: string, ...path: string[]): UserError[] {
  return checkText(value, 'An external id', MAX_EXTERNAL_ID_LENGTH, path);
}

export function checkText(value: string, what: string, maxLength: number, path: string[]): UserError[] {
  if (
    value.length >= 1 &&
    value.length <= maxLength &&
    value.trim() === value &&
    value.isWellFormed() &&
    VISIBLE_CHARACTER.test(value) &&
    !CONTROL_CHARACTERS.test(value)
  )
    return [];
  const rule = `${what} has 1 to ${maxLength} characters, without control characters and without spaces at the ends.`;
  return [userError('INVALID_INPUT', rule, ...path)];
}

export function checkInteger(
  value: number,
  range: { min: number; max: number },
  ...path: string[]
): UserError[] {
  if (Number.isInteger(value) && value >= range.min && value <= range.max) return [];
  return [userError('INVALID_INPUT', `Must be a whole number from ${range.min} to ${range.max}.`, ...path)];
}

/** An expiry lies in the future; no expiry is fine. */
export function checkExpiry(expiresAt: Date | null, nowMs: number, ...path: string[]): UserError[] {
  if (expiresAt === null || expiresAt.getTime() > nowMs) return [];
  return [userError('INVALID_INPUT', 'The expiry must be in the future.', ...path)];
}
