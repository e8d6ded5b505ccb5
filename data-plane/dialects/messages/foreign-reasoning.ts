import type { CleanedRequest } from '#data-plane/dialects/client-dialect.ts';
import { isJsonObject, objectOf, objectsOf } from '#data-plane/dialects/json-access.ts';
import { ProviderCallIds } from '#data-plane/dialects/messages/provider-call-ids.ts';
import {
  ENVELOPE_TRACES,
  FOREIGN_CITATION,
  unpackCallId,
  unpackSignature,
} from '#data-plane/dialects/signature-envelope.ts';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';

/** Bytes that only a history with answers of other providers holds: packed signatures, packed ids, unsigned thoughts. */
const TRACES: readonly Buffer[] = [
  ...ENVELOPE_TRACES,
  Buffer.from('"signature":""'),
  Buffer.from('"signature": ""'),
];

/** True when a request body may hold what {@link dropForeignReasoning} takes out; may be true for nothing. */
export function mayHoldForeignReasoning(body: Buffer): boolean {
  return TRACES.some((trace) => body.includes(trace));
}

/**
 * A Messages request without the reasoning state of other providers, for a provider of this protocol that would refuse
 * it: thoughts that it did not sign go, call ids are its own again. Everything else stays as the client sent it.
 * `undefined` when there is nothing to take out, so that the client's own bytes can be sent.
 */
export function dropForeignReasoning(body: JsonObject): CleanedRequest | undefined {
  const dropped: string[] = [];
  const callIds = new ProviderCallIds();
  let isChanged = false;
  const messages = objectsOf(body.messages).flatMap((message, at): JsonObject[] => {
    if (!Array.isArray(message.content)) return [message];
    const content = message.content.flatMap((block, index): JsonValue[] => {
      if (!isJsonObject(block)) return [block];
      if (!isForeignThought(block)) {
        if (carriesSignature(block)) dropped.push(`messages[${at}].content[${index}].id`);
        const own = withOwnIds(withOwnCitations(block), callIds);
        isChanged ||= own !== block;
        return [own];
      }
      isChanged = true;
      dropped.push(`messages[${at}].content[${index}]`);
      return [];
    });
    return content.length === 0 && message.content.length > 0 ? [] : [{ ...message, content }];
  });
  if (!isChanged) return undefined;
  const cleaned: JsonObject = { ...body, messages };
  if (objectOf(body.thinking)?.type === 'enabled' && endsInUnsignedToolLoop(messages)) {
    dropped.push('thinking');
    return { body: withoutThinking(cleaned), dropped };
  }
  return { body: cleaned, dropped };
}

function isForeignThought(block: JsonObject): boolean {
  if (block.type === 'thinking')
    return typeof block.signature !== 'string' || block.signature === '' || isPacked(block.signature);
  return block.type === 'redacted_thinking' && typeof block.data === 'string' && isPacked(block.data);
}

function isPacked(text: string): boolean {
  return unpackSignature(text) !== undefined;
}

function carriesSignature({ type, id }: JsonObject): boolean {
  return type === 'tool_use' && typeof id === 'string' && unpackCallId(id).signature !== undefined;
}

/** The same block when it cites nothing that another provider has found. */
function withOwnCitations(block: JsonObject): JsonObject {
  if (block.type !== 'text') return block;
  const own = objectsOf(block.citations).filter(({ encrypted_index: place }) => place !== FOREIGN_CITATION);
  if (own.length === objectsOf(block.citations).length) return block;
  const { citations: _, ...rest } = block;
  return own.length === 0 ? rest : { ...rest, citations: own };
}

/** The same block when its id is the provider's own already. */
function withOwnIds(block: JsonObject, callIds: ProviderCallIds): JsonObject {
  const field = block.type === 'tool_use' ? 'id' : 'tool_use_id';
  const given = block[field];
  if ((block.type !== 'tool_use' && block.type !== 'tool_result') || typeof given !== 'string') return block;
  const { id } = unpackCallId(given);
  const own = block.type === 'tool_use' ? callIds.forCall(id) : (callIds.forResult(id) ?? id);
  return own === given ? block : { ...block, [field]: own };
}

/** Thinking within a budget wants to see its own thought before calls whose results are the last word. */
function endsInUnsignedToolLoop(messages: readonly JsonObject[]): boolean {
  const last = messages.at(-1);
  if (!objectsOf(last?.content).some((block) => block.type === 'tool_result')) return false;
  const first = objectsOf(messages.findLast((message) => message.role === 'assistant')?.content)[0];
  return first?.type !== 'thinking' && first?.type !== 'redacted_thinking';
}

/** Edits that clear thinking are refused without thinking. */
function withoutThinking(body: JsonObject): JsonObject {
  const { thinking: _, ...rest } = body;
  const management = objectOf(body.context_management);
  if (management === undefined) return rest;
  const edits = objectsOf(management.edits).filter((edit) => !String(edit.type).startsWith('clear_thinking'));
  return { ...rest, context_management: { ...management, edits } };
}
