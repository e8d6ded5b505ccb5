import type { MediaPart, Part, TurnMessage, TurnRequest } from './turn.ts';

/** The bytes behind a URL. */
export interface InlineMedia {
  readonly mediaType: string;
  readonly base64: string;
}

/** Every medium of a turn that stands behind a URL, those inside tool results included, in order. */
export function remoteMedia(turn: TurnRequest): MediaPart[] {
  return turn.messages.flatMap(({ parts }) => parts.flatMap(remoteParts));
}

/** The turn with the bytes in place of the URLs that `found` knows; everything else as it was. */
export function withInlineMedia(turn: TurnRequest, found: ReadonlyMap<string, InlineMedia>): TurnRequest {
  const inlined = (part: Part): Part => {
    if (part.kind === 'tool_result') return { ...part, content: part.content.map(inlined) };
    if (part.kind !== 'media' || part.source.kind !== 'url') return part;
    const media = found.get(part.source.url);
    if (media === undefined) return part;
    return { ...part, source: { kind: 'base64', data: media.base64, mediaType: media.mediaType } };
  };
  const messages = turn.messages.map((message): TurnMessage => {
    return message.parts.some(hasRemote) ? { ...message, parts: message.parts.map(inlined) } : message;
  });
  return { ...turn, messages };
}

function hasRemote(part: Part): boolean {
  return remoteParts(part).length > 0;
}

function remoteParts(part: Part): MediaPart[] {
  if (part.kind === 'tool_result') return part.content.flatMap(remoteParts);
  return part.kind === 'media' && part.source.kind === 'url' ? [part] : [];
}
