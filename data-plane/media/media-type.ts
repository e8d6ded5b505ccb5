import { isUtf8 } from 'node:buffer';
import type { MediaKind } from '#data-plane/dialects/turn.ts';

/** Enough bytes for every signature below. */
const ASCII_HEAD = 16;
const TEXTUAL = /^(text\/[a-z0-9.+-]+|application\/(json|xml|x-yaml|yaml|javascript))$/;

/** What each kind of medium may be, for the refusal of anything else. */
export const SUPPORTED_TYPES: Readonly<Record<MediaKind, string>> = {
  image: 'an image (PNG, JPEG, GIF or WebP)',
  audio: 'audio (WAV, MP3, FLAC, Ogg or AAC)',
  video: 'a video (MP4, QuickTime or WebM)',
  document: 'a PDF or a text',
};

/**
 * The media type that the bytes themselves show; what the server says is believed for plain texts only, and only when they
 * are UTF-8. `undefined`: not a `kind` that models are given.
 */
export function mediaTypeOf(kind: MediaKind, body: Buffer, contentType: string): string | undefined {
  switch (kind) {
    case 'image':
      return imageType(body);
    case 'audio':
      return audioType(body);
    case 'video':
      return videoType(body);
    case 'document':
      if (body.toString('latin1', 0, 5) === '%PDF-') return 'application/pdf';
      return TEXTUAL.test(contentType) && isUtf8(body) ? contentType : imageType(body);
  }
}

function imageType(body: Buffer): string | undefined {
  const head = body.toString('latin1', 0, ASCII_HEAD);
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png';
  if (head.startsWith('\xff\xd8\xff')) return 'image/jpeg';
  if (head.startsWith('GIF87a') || head.startsWith('GIF89a')) return 'image/gif';
  return isRiff(head, 'WEBP') ? 'image/webp' : undefined;
}

function audioType(body: Buffer): string | undefined {
  const head = body.toString('latin1', 0, ASCII_HEAD);
  if (isRiff(head, 'WAVE')) return 'audio/wav';
  if (head.startsWith('fLaC')) return 'audio/flac';
  if (head.startsWith('OggS')) return 'audio/ogg';
  if (head.startsWith('ID3')) return 'audio/mpeg';
  if (body[0] !== 0xff) return undefined;
  const second = body[1] ?? 0;
  // A frame's sync word; the two bits of its layer are zero in AAC and never in MP3.
  if ((second & 0xf6) === 0xf0) return 'audio/aac';
  return (second & 0xe0) === 0xe0 && (second & 0x06) !== 0 ? 'audio/mpeg' : undefined;
}

function videoType(body: Buffer): string | undefined {
  const head = body.toString('latin1', 0, ASCII_HEAD);
  if (head.startsWith('\x1a\x45\xdf\xa3')) return 'video/webm';
  if (head.slice(4, 8) !== 'ftyp') return undefined;
  return head.slice(8, 12) === 'qt  ' ? 'video/quicktime' : 'video/mp4';
}

function isRiff(head: string, form: string): boolean {
  return head.startsWith('RIFF') && head.slice(8, 12) === form;
}
