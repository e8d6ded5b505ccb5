import type { ProviderProtocol } from '#shared/usage-record.ts';
import type { Part, ProviderSignature, TurnRequest } from './turn.ts';
import type { EmitTurnEvent, TurnEvent } from './turn-event.ts';

/**
 * How a foreign provider's opaque reasoning state travels through a client that only echoes it, in the slot that the client's
 * dialect keeps for its own: `cm2.<family>.<issuer>.<kind>.<value>`. Conversations that began before envelopes named their
 * issuer hold `cm1.<family>.<kind>.<value>`. A value without either prefix is native to the dialect.
 */
const PREFIX = 'cm2.';
const PREFIX_WITHOUT_ISSUER = 'cm1.';
const FAMILIES: readonly string[] = ['chat', 'responses', 'messages', 'gemini'];
/** Both marks begin so. */
const MARK_START = '__cm1';
const SIGNATURE_MARK = `${MARK_START}_`;
const ID_MARK = `${MARK_START}id_`;
const FOREIGN_CHARACTERS = /[^a-zA-Z0-9_-]/g;

/**
 * Stands where Anthropic keeps the encrypted place of a web citation, in citations of other providers: a client that returns
 * them to Anthropic is not to be refused for them.
 */
export const FOREIGN_CITATION = `${PREFIX}citation`;

/** Bytes that a body holds whenever it holds an envelope. */
export const ENVELOPE_TRACES: readonly Buffer[] = [PREFIX, PREFIX_WITHOUT_ISSUER, MARK_START].map((trace) =>
  Buffer.from(trace),
);

export function packSignature({ family, issuer, kind, value }: ProviderSignature): string {
  if (issuer === undefined) return `${PREFIX_WITHOUT_ISSUER}${family}.${kind}.${value}`;
  return `${PREFIX}${family}.${encodeIssuer(issuer)}.${kind}.${value}`;
}

/** Opens a packed signature; `undefined` when the text is no envelope of ours. */
export function unpackSignature(text: string): ProviderSignature | undefined {
  const namesIssuer = text.startsWith(PREFIX);
  if (!namesIssuer && !text.startsWith(PREFIX_WITHOUT_ISSUER)) return undefined;
  const [, family, ...rest] = text.split('.');
  const issuer = namesIssuer ? rest.shift() : undefined;
  const [kind, ...value] = rest;
  if (family === undefined || !FAMILIES.includes(family) || kind === undefined || value.length === 0)
    return undefined;
  return {
    family: family as ProviderProtocol,
    ...(issuer === undefined ? {} : { issuer: decodeIssuer(issuer) }),
    kind,
    value: value.join('.'),
  };
}

function encodeIssuer(issuer: string): string {
  return Buffer.from(issuer).toString('base64url');
}

function decodeIssuer(text: string): string {
  return Buffer.from(text, 'base64url').toString();
}

/**
 * A signature on a tool call has no slot of its own in any client dialect: it rides behind the call's id, which clients
 * always return. Only characters that every dialect allows in ids are used; an id with others rides behind a cleaned one.
 */
export function packCallId(id: string, signature: ProviderSignature | undefined): string {
  const cleaned = id.replace(FOREIGN_CHARACTERS, '_');
  const shown = cleaned === id ? id : `${cleaned}${ID_MARK}${Buffer.from(id).toString('base64url')}`;
  if (signature === undefined) return shown;
  const packed = Buffer.from(packSignature(signature)).toString('base64url');
  return `${shown}${SIGNATURE_MARK}${packed}`;
}

/** Splits a returned id into the provider's own id and the signature that rode on it. */
export function unpackCallId(id: string): { readonly id: string; readonly signature?: ProviderSignature } {
  const mark = id.lastIndexOf(SIGNATURE_MARK);
  if (mark === -1) return { id: originalId(id) };
  const packed = id.slice(mark + SIGNATURE_MARK.length);
  const signature = unpackSignature(Buffer.from(packed, 'base64url').toString());
  return signature === undefined ? { id: originalId(id) } : { id: originalId(id.slice(0, mark)), signature };
}

function originalId(shown: string): string {
  const mark = shown.lastIndexOf(ID_MARK);
  if (mark === -1) return shown;
  const original = Buffer.from(shown.slice(mark + ID_MARK.length), 'base64url').toString();
  // Only what was packed here: an id of somebody else that looks alike stays as it is.
  return original.replace(FOREIGN_CHARACTERS, '_') === shown.slice(0, mark) ? original : shown;
}

/** Whether a body holds an envelope of ours: a history with answers of another provider. Cheap, and never false when it does. */
export function mayHoldPackedState(body: Buffer): boolean {
  return ENVELOPE_TRACES.some((trace) => body.includes(trace));
}

/** Names the vendor whose answer it is in every signature. */
export function issuedBy(issuer: string, emit: EmitTurnEvent): EmitTurnEvent {
  return (event) => emit(withIssuer(event, issuer));
}

function withIssuer(event: TurnEvent, issuer: string): TurnEvent {
  if (event.kind === 'part_signature') return { ...event, signature: { ...event.signature, issuer } };
  if (event.kind !== 'part_start' || event.part !== 'tool_call' || event.signature === undefined)
    return event;
  return { ...event, signature: { ...event.signature, issuer } };
}

/**
 * The turn as it may be told to a vendor: two vendors that speak one protocol cannot read each other's signatures, so those
 * of others become `foreign`, which every encoder leaves out and reports.
 */
export function addressedTo(vendor: string, turn: TurnRequest): TurnRequest {
  const isForeign = (part: Part): boolean =>
    'signature' in part && part.signature?.issuer !== undefined && part.signature.issuer !== vendor;
  if (!turn.messages.some(({ parts }) => parts.some(isForeign))) return turn;
  const addressed = (part: Part): Part =>
    'signature' in part && part.signature !== undefined && isForeign(part)
      ? { ...part, signature: { ...part.signature, family: 'foreign' } }
      : part;
  const messages = turn.messages.map((message) => ({ ...message, parts: message.parts.map(addressed) }));
  return { ...turn, messages };
}
