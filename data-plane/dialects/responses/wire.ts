import type { FinishReason } from '#data-plane/dialects/turn.ts';

/**
 * `kind` of a {@link ProviderSignature} of this family: JSON text of the whole reasoning item as it came. An encrypted item
 * is only accepted under its own id, so nothing less would do.
 */
export const REASONING_ITEM_KIND = 'item';

/** Longest `call_id` and `safety_identifier` that the protocol takes. */
export const MAX_ID_LENGTH = 64;

/** What the item types that we mint are prefixed with. */
export const ID_PREFIXES = {
  response: 'resp_',
  message: 'msg_',
  // Tells our items from the provider's own, which alone it takes back.
  reasoning: 'rs_cm_',
  function_call: 'fc_',
  custom_tool_call: 'ctc_',
} as const;

/** `incomplete_details.reason` by the reason for which a turn ended; the others end as `completed`. */
export const INCOMPLETE_REASONS: Readonly<
  Partial<Record<FinishReason, 'max_output_tokens' | 'content_filter'>>
> = {
  length: 'max_output_tokens',
  context_exceeded: 'max_output_tokens',
  content_filter: 'content_filter',
};

export const FINISH_REASONS: ReadonlyMap<string, FinishReason> = new Map([
  ['max_output_tokens', 'length'],
  ['max_tokens', 'length'],
  ['content_filter', 'content_filter'],
]);

/** Values of `service_tier` that the published schema knows. */
export const SERVICE_TIERS: ReadonlySet<string> = new Set([
  'auto',
  'default',
  'flex',
  'scale',
  'priority',
  'fast',
  'ultrafast',
]);

/** Values of `reasoning.effort`, weakest first. */
export const EFFORTS: readonly string[] = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'];

export const INCLUDE_ENCRYPTED_REASONING = 'reasoning.encrypted_content';
export const INCLUDE_LOGPROBS = 'message.output_text.logprobs';
