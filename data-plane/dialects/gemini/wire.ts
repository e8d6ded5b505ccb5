import type { FinishReason, JsonObject } from '#data-plane/dialects/turn.ts';

export type GeminiPart = JsonObject;

export interface GeminiContent {
  readonly role: 'user' | 'model';
  readonly parts: GeminiPart[];
}

/**
 * Where a thought signature stood, as the `kind` of a {@link ProviderSignature}: it has to go back to the same place.
 * `thought`: on a thought; `on_text`: on the text before it; `on_empty`: on an empty text part of its own; `call`: on a
 * function call.
 */
export type SignaturePlace = 'thought' | 'on_text' | 'on_empty' | 'call';

/** What Google documents for function calls that no Gemini model made: the validation of signatures is skipped. */
export const UNSIGNED_CALL = 'skip_thought_signature_validator';

/** What a finish reason means; `failed` is an answer that cannot be used unless something was said before. */
type Meaning = FinishReason | 'failed';

/**
 * Some gateways to Gemini write the reason's number instead of its name: the first ones are in the order of their numbers,
 * on which all of Google's schemas agree.
 */
export const FINISH_REASONS: readonly (readonly [string, Meaning | undefined])[] = [
  ['FINISH_REASON_UNSPECIFIED', undefined],
  ['STOP', 'stop'],
  ['MAX_TOKENS', 'length'],
  ['SAFETY', 'content_filter'],
  ['RECITATION', 'content_filter'],
  ['OTHER', 'failed'],
  ['BLOCKLIST', 'content_filter'],
  ['PROHIBITED_CONTENT', 'content_filter'],
  ['SPII', 'content_filter'],
  ['MALFORMED_FUNCTION_CALL', 'failed'],
  ['IMAGE_SAFETY', 'content_filter'],
  ['UNEXPECTED_TOOL_CALL', 'failed'],
  ['IMAGE_PROHIBITED_CONTENT', 'content_filter'],
  ['NO_IMAGE', 'failed'],
  ['IMAGE_RECITATION', 'content_filter'],
  ['IMAGE_OTHER', 'failed'],
  ['LANGUAGE', 'content_filter'],
  ['MODEL_ARMOR', 'content_filter'],
  ['TOO_MANY_TOOL_CALLS', 'failed'],
  ['MISSING_THOUGHT_SIGNATURE', 'failed'],
];

/** How many of {@link FINISH_REASONS} may be told by their number. */
export const NUMBERED_FINISH_REASONS = 6;

/** Failures of which the calls can still be told: their client knows best what to do with a tool that it does not have. */
export const USABLE_WITH_CALLS: ReadonlySet<string> = new Set([
  'UNEXPECTED_TOOL_CALL',
  'TOO_MANY_TOOL_CALLS',
]);
