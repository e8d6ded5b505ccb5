import type { CleanedRequest } from '#data-plane/dialects/client-dialect.ts';
import { filledText, objectsOf, textOf } from '#data-plane/dialects/json-access.ts';
import { mayHoldPackedState, unpackCallId } from '#data-plane/dialects/signature-envelope.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import { providerCallId } from './provider-call-id.ts';
import { type ProviderTraits, traitsOf } from './provider-traits.ts';
import { isForeignDetail } from './reasoning-details.ts';

/** Fields that hold a thought in words. */
const TOLD_THOUGHTS = ['reasoning_content', 'reasoning'] as const;

/** True when a body may hold what {@link dropForeignThoughts} takes out; may be true for nothing. */
export function mayHoldForeignThoughts(body: Buffer, vendor: string): boolean {
  if (mayHoldPackedState(body)) return true;
  const { foreignThoughts, refusesForeignCallIds } = traitsOf(vendor);
  if (refusesForeignCallIds && body.includes('"tool_call_id"')) return true;
  return foreignThoughts.some((field) => body.includes(`"${field}"`));
}

/**
 * A chat request without the reasoning state of other providers, for a vendor that speaks chat itself: what it did not
 * write of the thoughts goes, call ids are those of the provider that made them. The rest stays as the client sent it.
 */
export function dropForeignThoughts(body: JsonObject, vendor: string): CleanedRequest | undefined {
  const traits = traitsOf(vendor);
  const dropped: string[] = [];
  let isChanged = false;
  if (!Array.isArray(body.messages)) return undefined;
  const messages = objectsOf(body.messages).map((message, at) => {
    const path = `messages[${at}]`;
    const cleaned = withOwnIds(withOwnThoughts(message, path, traits, dropped), path, traits, dropped);
    isChanged ||= cleaned !== message;
    return cleaned;
  });
  return isChanged ? { body: { ...body, messages }, dropped } : undefined;
}

function withOwnThoughts(
  message: JsonObject,
  path: string,
  traits: ProviderTraits,
  dropped: string[],
): JsonObject {
  const details = objectsOf(message.reasoning_details);
  const own = details.filter((entry) => !isForeignDetail(entry));
  const isForeign = own.length < details.length;
  const gone = new Set<string>(traits.foreignThoughts.filter((field) => message[field] !== undefined));
  // Words of a thought that is not the vendor's own: some want to see them all the same, and take them for theirs.
  if (isForeign && traits.thoughts !== 'reasoning_content')
    for (const field of TOLD_THOUGHTS) if (filledText(message[field]) !== undefined) gone.add(field);
  if (isForeign && own.length === 0) gone.add('reasoning_details');
  if (!isForeign && gone.size === 0) return message;
  const kept = Object.entries(message).filter(([name]) => !gone.has(name));
  const cleaned: JsonObject = Object.fromEntries(kept);
  if (isForeign && !gone.has('reasoning_details')) {
    cleaned.reasoning_details = own;
    gone.add('reasoning_details');
  }
  dropped.push(...[...gone].map((field) => `${path}.${field}`));
  return cleaned;
}

function withOwnIds(
  message: JsonObject,
  path: string,
  traits: ProviderTraits,
  dropped: string[],
): JsonObject {
  const given = textOf(message.tool_call_id);
  if (given !== undefined) {
    const own = providerCallId(unpackCallId(given).id, traits);
    return own === given ? message : { ...message, tool_call_id: own };
  }
  const calls = objectsOf(message.tool_calls);
  const owned = calls.map((call, at) => {
    const packed = textOf(call.id);
    if (packed === undefined) return call;
    const { id, signature } = unpackCallId(packed);
    if (signature !== undefined) dropped.push(`${path}.tool_calls[${at}].id`);
    const own = providerCallId(id, traits);
    return own === packed ? call : { ...call, id: own };
  });
  return owned.some((call, at) => call !== calls[at]) ? { ...message, tool_calls: owned } : message;
}
