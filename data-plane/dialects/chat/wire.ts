import type { FinishReason, JsonObject } from '#data-plane/dialects/turn.ts';

/** A message of a chat request as we write it for a provider. */
export type ChatMessage = { role: string } & JsonObject;

/** The finish reasons that the published schema knows. */
export type ChatFinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'function_call';

/**
 * What the family's providers write as `finish_reason`. `failed` means that the provider gave up in the middle and the
 * answer is not complete. A name that is missing here counts as `stop`.
 */
export const FINISH_REASONS: ReadonlyMap<string, FinishReason | 'failed'> = new Map([
  ['stop', 'stop'],
  ['eos', 'stop'],
  ['end_turn', 'stop'],
  ['completed', 'stop'],
  ['stop_sequence', 'stop_sequence'],
  ['length', 'length'],
  ['max_tokens', 'length'],
  ['model_length', 'length'],
  ['repetition_truncation', 'length'],
  ['tool_calls', 'tool_calls'],
  ['tool_call', 'tool_calls'],
  ['tool_use', 'tool_calls'],
  ['function_call', 'tool_calls'],
  ['content_filter', 'content_filter'],
  ['sensitive', 'content_filter'],
  ['safety', 'content_filter'],
  ['refusal', 'refusal'],
  ['model_context_window_exceeded', 'context_exceeded'],
  ['error', 'failed'],
  ['network_error', 'failed'],
  ['insufficient_system_resource', 'failed'],
  ['aborted', 'failed'],
]);

/** What a chat client is told; the dialect has no word for the finer reasons. */
export const CLIENT_FINISH_REASONS: Readonly<Record<FinishReason, ChatFinishReason>> = {
  stop: 'stop',
  stop_sequence: 'stop',
  pause: 'stop',
  length: 'length',
  context_exceeded: 'length',
  tool_calls: 'tool_calls',
  content_filter: 'content_filter',
  refusal: 'content_filter',
};

/** `kind` of a {@link ProviderSignature} of this family: JSON text of the `reasoning_details` entries as they came. */
export const DETAILS_KIND = 'details';

/** Values of `service_tier` that the published schema knows. */
export const SERVICE_TIERS: ReadonlySet<string> = new Set([
  'auto',
  'default',
  'flex',
  'scale',
  'priority',
  'fast',
]);
