import type { CleanedRequest } from '#data-plane/dialects/client-dialect.ts';
import { filledText, isJsonObject, parseJsonObject, textOf } from '#data-plane/dialects/json-access.ts';
import {
  mayHoldPackedState,
  unpackCallId,
  unpackSignature,
} from '#data-plane/dialects/signature-envelope.ts';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import { shortId } from './encode-input.ts';
import { ID_PREFIXES, REASONING_ITEM_KIND } from './wire.ts';

/** Results repeat the id of their call, with all that rides on it. */
const RESULT_TYPE = /_output$/;

/** True when a body may hold what {@link dropForeignItems} takes out; may be true for nothing. */
export function mayHoldForeignItems(body: Buffer): boolean {
  return mayHoldPackedState(body) || body.includes(`"${ID_PREFIXES.reasoning}`);
}

/**
 * A Responses request without the reasoning of other providers, whose items this one would look up in vain; call ids are
 * those of the provider that made them. Everything else stays as the client sent it.
 */
export function dropForeignItems(body: JsonObject, vendor: string): CleanedRequest | undefined {
  if (!Array.isArray(body.input)) return undefined;
  const dropped: string[] = [];
  let isChanged = false;
  const input = body.input.flatMap((item, at): JsonValue[] => {
    if (!isJsonObject(item)) return [item];
    const isReasoning = item.type === 'reasoning';
    const own = isReasoning ? ownReasoning(item, vendor) : withOwnId(item, `input[${at}]`, dropped);
    if (own === undefined) dropped.push(`input[${at}]`);
    isChanged ||= own !== item;
    return own === undefined ? [] : [own];
  });
  return isChanged ? { body: { ...body, input }, dropped } : undefined;
}

/** The item as the provider wrote it; `undefined` for one that it did not write. */
function ownReasoning(item: JsonObject, vendor: string): JsonObject | undefined {
  const content = filledText(item.encrypted_content);
  const packed = content === undefined ? undefined : unpackSignature(content);
  if (packed === undefined) return isMinted(item) ? undefined : item;
  const { family, kind, issuer = vendor } = packed;
  const isOwn = family === 'responses' && kind === REASONING_ITEM_KIND && issuer === vendor;
  return isOwn ? parseJsonObject(packed.value) : undefined;
}

function isMinted(item: JsonObject): boolean {
  return textOf(item.id)?.startsWith(ID_PREFIXES.reasoning) ?? false;
}

function withOwnId(item: JsonObject, path: string, dropped: string[]): JsonObject {
  const given = textOf(item.call_id);
  if (given === undefined) return item;
  const { id, signature } = unpackCallId(given);
  if (signature !== undefined && !RESULT_TYPE.test(String(item.type))) dropped.push(`${path}.call_id`);
  const own = shortId(id);
  return own === given ? item : { ...item, call_id: own };
}
