import type { RequestLosses } from '#data-plane/dialects/loss-rule.ts';
import type { MediaPart, Part } from '#data-plane/dialects/turn.ts';
import type { GeminiPart } from './wire.ts';

/** Types by the ending of an address, where the client names none; Gemini wants one with every file. */
const TYPES_BY_ENDING: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  gif: 'image/gif',
  pdf: 'application/pdf',
  mp3: 'audio/mp3',
  wav: 'audio/wav',
  mp4: 'video/mp4',
  webm: 'video/webm',
  mov: 'video/quicktime',
  txt: 'text/plain',
};
const TYPES_BY_KIND: Readonly<Record<MediaPart['media'], string>> = {
  image: 'image/jpeg',
  audio: 'audio/mp3',
  video: 'video/mp4',
  document: 'application/pdf',
};

/** What a user, a tool or the system prompt says, as parts; empty when it is left out, which is then noted. */
export function encodeSpoken(part: Part, path: string, losses: RequestLosses): GeminiPart[] {
  switch (part.kind) {
    case 'text':
      if (part.cache !== undefined) losses.dropMark(part.cache);
      if (part.phase !== undefined) losses.admitsField('message.phase', part.phaseAt ?? 'phase');
      return part.text === '' ? [] : [{ text: part.text }];
    case 'refusal':
      return part.text === '' ? [] : [{ text: part.text }];
    case 'media':
      if (part.cache !== undefined) losses.dropMark(part.cache);
      if (part.detail !== undefined && part.detail !== 'auto') losses.admits('content.image.detail', path);
      return withTitle(part, encodeMedia(part, path, losses));
    case 'native':
      if (part.family === 'gemini') return [part.value];
      losses.dropField(path);
      return [];
    default:
      losses.dropField(path);
      return [];
  }
}

/** Files have no names here: a document's is told in front of it. */
function withTitle(part: MediaPart, encoded: GeminiPart[]): GeminiPart[] {
  const title = part.title ?? part.filename;
  if (part.media !== 'document' || title === undefined || encoded.length === 0) return encoded;
  return part.source.kind === 'text'
    ? [{ text: `${title}\n\n${part.source.text}` }]
    : [{ text: title }, ...encoded];
}

function encodeMedia(part: MediaPart, path: string, losses: RequestLosses): GeminiPart[] {
  const { source } = part;
  switch (source.kind) {
    case 'text':
      return [{ text: source.text }];
    case 'base64':
      return [{ inlineData: { mimeType: source.mediaType, data: source.data } }];
    case 'url': {
      const mimeType = source.mediaType ?? typeOf(source.url, part.media);
      return [{ fileData: { mimeType, fileUri: source.url } }];
    }
    case 'file_id': {
      const { family } = source;
      const openAi = part.media === 'image' ? 'file_id.openai.image' : 'file_id.openai';
      const foreign = family === 'messages' ? 'file_id.anthropic' : openAi;
      return losses.admits(family === 'gemini' ? 'file_id.gemini' : foreign, path)
        ? [{ fileData: { mimeType: TYPES_BY_KIND[part.media], fileUri: source.id } }]
        : [];
    }
  }
}

const VIDEO_PAGE = /^https:\/\/(?:(?:www|m)\.)?(?:youtube\.com\/(?:watch|shorts\/|live\/)|youtu\.be\/)/i;

/** The one kind of address that Gemini itself follows: there are no bytes behind it that anybody else could send. */
export function isVideoPage(url: string): boolean {
  return VIDEO_PAGE.test(url);
}

function typeOf(url: string, media: MediaPart['media']): string {
  const ending = /\.([a-z0-9]+)(?:[?#]|$)/i.exec(url)?.[1]?.toLowerCase() ?? '';
  return TYPES_BY_ENDING[ending] ?? TYPES_BY_KIND[media];
}
