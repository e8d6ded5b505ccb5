import type { ProviderProtocol } from '#shared/usage-record.ts';
import type { ProviderSignature } from './turn.ts';

/**
 * How a foreign provider's opaque reasoning state travels through a client that only echoes it: `cm1.<family>.<kind>.<value>`
 * in the slot that the client's dialect keeps for its own. A value without the prefix is native to that dialect.
 */
const PREFIX = 'cm1.';
const FAMILIES: readonly string[] = ['chat', 'responses', 'messages', 'gemini'];

export function packSignature(signature: ProviderSignature): string {
  return `${PREFIX}${signature.family}.${signature.kind}.${signature.value}`;
}

/** Opens a packed signature; `undefined` when the text is no envelope of ours. */
export function unpackSignature(text: string): ProviderSignature | undefined {
  if (!text.startsWith(PREFIX)) return undefined;
  const familyEnd = text.indexOf('.', PREFIX.length);
  const kindEnd = text.indexOf('.', familyEnd + 1);
  const family = text.slice(PREFIX.length, familyEnd);
  if (familyEnd === -1 || kindEnd === -1 || !FAMILIES.includes(family)) return undefined;
  return {
    family: family as ProviderProtocol,
    kind: text.slice(familyEnd + 1, kindEnd),
    value: text.slice(kindEnd + 1),
  };
}

const ID_MARK = '__cm1_';

/**
 * A signature on a tool call has no slot of its own in any client dialect: it rides behind the call's id, which clients
 * always return. Only characters that every dialect allows in ids are used.
 */
export function packCallId(id: string, signature: ProviderSignature | undefined): string {
  if (signature === undefined) return id;
  const packed = Buffer.from(packSignature(signature)).toString('base64url');
  return `${id}${ID_MARK}${packed}`;
}

/** Splits a returned id into the provider's own id and the signature that rode on it. */
export function unpackCallId(id: string): { readonly id: string; readonly signature?: ProviderSignature } {
  const mark = id.lastIndexOf(ID_MARK);
  if (mark === -1) return { id };
  const signature = unpackSignature(Buffer.from(id.slice(mark + ID_MARK.length), 'base64url').toString());
  return signature === undefined ? { id } : { id: id.slice(0, mark), signature };
}

/** Whether a body holds an envelope of ours: a history with answers of another provider. Cheap, and never false when it does. */
export function mayHoldPackedState(body: Buffer): boolean {
  return body.includes(PREFIX) || body.includes(ID_MARK);
}
