import type { RequestLosses } from '#data-plane/dialects/loss-rule.ts';
import type { JsonObject, MediaPart, MediaSource, Part } from '#data-plane/dialects/turn.ts';
import type { ProviderTraits } from './provider-traits.ts';

export interface MessageContext {
  readonly traits: ProviderTraits;
  readonly losses: RequestLosses;
  /** Texts that the system prompt has to carry besides its own. */
  readonly instructions: readonly string[];
}

/** Whoever calls the encoder fetches what the provider takes as data only. */
const NOT_FETCHED = 'it takes data, and the URL was not fetched';
const AUDIO_FORMATS: ReadonlyMap<string, string> = new Map([
  ['audio/wav', 'wav'],
  ['audio/x-wav', 'wav'],
  ['audio/wave', 'wav'],
  ['audio/mpeg', 'mp3'],
  ['audio/mp3', 'mp3'],
]);

/** Writes a piece of what a user or a system prompt says; `undefined` when it is left out, which is then noted. */
export function encodeContentPart(part: Part, path: string, context: MessageContext): JsonObject | undefined {
  const { losses } = context;
  switch (part.kind) {
    case 'text': {
      if (part.text === '') return undefined;
      if (part.cache === undefined || !losses.admitsField('cache_control', part.cache.at ?? 'cache_control'))
        return { type: 'text', text: part.text };
      const ttl = part.cache.ttl === '1h' ? { ttl: '1h' } : {};
      return { type: 'text', text: part.text, cache_control: { type: 'ephemeral', ...ttl } };
    }
    case 'refusal':
      return { type: 'text', text: part.text };
    case 'media':
      if (part.cache !== undefined) losses.dropMark(part.cache);
      return encodeMedia(part, path, context);
    case 'native':
      if (part.family === 'chat') return part.value;
      losses.admits('native.foreign', path);
      return undefined;
    default:
      losses.dropField(path);
      return undefined;
  }
}

function encodeMedia(part: MediaPart, path: string, context: MessageContext): JsonObject | undefined {
  const { losses, traits } = context;
  const { source } = part;
  if (source.kind === 'text') return { type: 'text', text: titled(part, source.text) };
  switch (part.media) {
    case 'image':
      return encodeImage(part, source, path, losses);
    case 'audio':
      return encodeAudio(source, path, losses);
    case 'video':
      if (source.kind === 'file_id') return refuseFile(source, path, losses);
      if (!losses.admits('content.video', path)) return undefined;
      return { type: 'video_url', video_url: { url: urlOf(source) } };
    case 'document':
      return encodeDocument(part, source, path, traits.documents, losses);
  }
}

type BinarySource = Exclude<MediaSource, { kind: 'text' }>;

function encodeImage(
  part: MediaPart,
  source: BinarySource,
  path: string,
  losses: RequestLosses,
): JsonObject | undefined {
  if (source.kind === 'file_id') {
    losses.admits(source.family === 'messages' ? 'file_id.anthropic' : 'file_id.openai.image', path);
    return undefined;
  }
  if (!losses.admits('content.image', path)) return undefined;
  const detail = part.detail === undefined ? {} : { detail: part.detail };
  return { type: 'image_url', image_url: { url: urlOf(source), ...detail } };
}

function encodeAudio(source: BinarySource, path: string, losses: RequestLosses): JsonObject | undefined {
  if (source.kind !== 'base64') {
    if (losses.admits('content.audio.url', path)) losses.refuse('content.audio.url', path, NOT_FETCHED);
    return undefined;
  }
  if (!losses.admits('content.audio', path)) return undefined;
  const format = AUDIO_FORMATS.get(source.mediaType) ?? source.mediaType.replace(/^audio\//, '');
  return { type: 'input_audio', input_audio: { data: source.data, format } };
}

function encodeDocument(
  part: MediaPart,
  source: BinarySource,
  path: string,
  form: 'file' | 'document_url',
  losses: RequestLosses,
): JsonObject | undefined {
  if (source.kind === 'file_id') {
    // OpenAI's chat and Responses APIs share their files.
    if (source.family !== 'chat' && source.family !== 'responses') return refuseFile(source, path, losses);
    if (!losses.admits('file_id.openai', path)) return undefined;
    return { type: 'file', file: { file_id: source.id } };
  }
  const feature = source.kind === 'url' ? 'content.document.url' : 'content.document';
  if (!losses.admits(feature, path)) return undefined;
  if (source.kind === 'url' && losses.outcomeOf(feature) === 'emulated') {
    losses.refuse(feature, path, NOT_FETCHED);
    return undefined;
  }
  if (form === 'document_url') {
    const name = part.filename ?? part.title;
    const named = name === undefined ? {} : { document_name: name };
    return { type: 'document_url', document_url: urlOf(source), ...named };
  }
  const filename = part.filename ?? part.title ?? 'document.pdf';
  return { type: 'file', file: { filename, file_data: urlOf(source) } };
}

function refuseFile(source: BinarySource, path: string, losses: RequestLosses): undefined {
  if (source.kind === 'file_id') losses.admits('file_id.anthropic', path);
  return undefined;
}

function urlOf(source: Extract<BinarySource, { kind: 'base64' | 'url' }>): string {
  return source.kind === 'url' ? source.url : `data:${source.mediaType};base64,${source.data}`;
}

/** A text that is given as a document, under its title. */
export function titled(part: MediaPart, text: string): string {
  const title = part.title ?? part.filename;
  return title === undefined ? text : `${title}\n\n${text}`;
}
