import { filledText, isJsonObject, objectOf, textOf } from '#data-plane/dialects/json-access.ts';
import type {
  CacheMark,
  JsonObject,
  JsonValue,
  MediaPart,
  MediaSource,
  Part,
} from '#data-plane/dialects/turn.ts';
import { type Fault, fault, isFault } from '#shared/fault.ts';
import { cacheMarkOf } from './cache-mark.ts';

const DATA_URL = /^data:([^;,]*)((?:;[^;,]*)*?)(;base64)?,/i;
const AUDIO_TYPES: ReadonlyMap<string, string> = new Map([['mp3', 'audio/mpeg']]);

/** Reads the content of a message, a string or a list of blocks. `path` is that of the message. */
export function decodeContent(content: JsonValue, path: string): readonly Part[] | Fault {
  if (typeof content === 'string')
    return content === '' ? [] : [{ kind: 'text', text: content, at: `${path}.content` }];
  if (!Array.isArray(content))
    return invalid(`${path}.content`, 'must be a string, an array of content blocks or null.');
  const parts: Part[] = [];
  for (const [index, block] of content.entries()) {
    const blockPath = `${path}.content[${index}]`;
    const decoded = decodeBlock(block, blockPath);
    if (isFault(decoded)) return decoded;
    parts.push(...decoded);
  }
  return parts;
}

function decodeBlock(block: JsonValue, path: string): readonly Part[] | Fault {
  if (!isJsonObject(block) || typeof block.type !== 'string')
    return invalid(path, 'must be an object with a type.');
  const cache = cacheMarkOf(block, path);
  const marked = { at: path, ...(cache === undefined ? {} : { cache }) };
  switch (block.type) {
    case 'text': {
      const text = textOf(block.text);
      if (text === undefined) return invalid(`${path}.text`, 'must be a string.');
      return text === '' ? [] : [{ kind: 'text', text, ...marked }];
    }
    case 'refusal': {
      const text = filledText(block.refusal);
      return text === undefined ? [] : [{ kind: 'refusal', text, at: path }];
    }
    case 'image_url':
      return decodeUrlBlock(block, 'image_url', 'image', path, marked);
    case 'video_url':
      return decodeUrlBlock(block, 'video_url', 'video', path, marked);
    case 'video':
      return decodeFrames(block, path);
    case 'input_audio':
      return decodeAudio(block, path, marked);
    case 'file':
      return decodeFile(block, path, marked);
    case 'thinking':
      return decodeThinkingBlock(block, path);
    default:
      return [{ kind: 'native', family: 'chat', value: block, at: path }];
  }
}

interface Marked {
  readonly at: string;
  readonly cache?: CacheMark;
}

function decodeUrlBlock(
  block: JsonObject,
  field: 'image_url' | 'video_url',
  media: 'image' | 'video',
  path: string,
  marked: Marked,
): readonly Part[] | Fault {
  const holder = objectOf(block[field]);
  const url = filledText(holder?.url) ?? filledText(block[field]);
  if (url === undefined) return invalid(`${path}.${field}.url`, 'must be a URL or a data URL.');
  const detail = filledText(holder?.detail);
  return [
    { kind: 'media', media, source: sourceOf(url), ...(detail === undefined ? {} : { detail }), ...marked },
  ];
}

/** Key frames of a video are images in order. */
function decodeFrames(block: JsonObject, path: string): readonly Part[] | Fault {
  const frames = Array.isArray(block.video) ? block.video : undefined;
  if (frames?.every((frame) => typeof frame === 'string') !== true)
    return invalid(`${path}.video`, 'must be an array of image URLs.');
  return frames.map(
    (url, index): MediaPart => ({
      kind: 'media',
      media: 'image',
      source: sourceOf(url),
      at: `${path}.video[${index}]`,
    }),
  );
}

function decodeAudio(block: JsonObject, path: string, marked: Marked): readonly Part[] | Fault {
  const audio = objectOf(block.input_audio);
  // Mistral's clients give the data, or a URL, without the object around it.
  const data = filledText(audio?.data) ?? filledText(block.input_audio);
  if (data === undefined) return invalid(`${path}.input_audio.data`, 'must be audio in base64.');
  const format = filledText(audio?.format) ?? 'wav';
  const named = sourceOf(data);
  const source: MediaSource =
    named.kind === 'base64' || data.startsWith('http')
      ? named
      : { kind: 'base64', data, mediaType: AUDIO_TYPES.get(format) ?? `audio/${format}` };
  return [{ kind: 'media', media: 'audio', source, ...marked }];
}

function decodeFile(block: JsonObject, path: string, marked: Marked): readonly Part[] | Fault {
  const file = objectOf(block.file);
  const id = filledText(file?.file_id);
  const data = filledText(file?.file_data);
  const filename = filledText(file?.filename);
  const rest = { ...(filename === undefined ? {} : { filename }), ...marked };
  if (id !== undefined)
    return [{ kind: 'media', media: 'document', source: { kind: 'file_id', id, family: 'chat' }, ...rest }];
  if (data === undefined) return invalid(`${path}.file`, "must have a 'file_data' or a 'file_id'.");
  const source = sourceOf(data);
  const plain: MediaSource = { kind: 'base64', data, mediaType: 'application/pdf' };
  const isNamed = source.kind === 'base64' || /^https?:/i.test(data);
  return [{ kind: 'media', media: 'document', source: isNamed ? source : plain, ...rest }];
}

/** Thoughts inside the content, as Mistral writes them. */
function decodeThinkingBlock(block: JsonObject, path: string): readonly Part[] {
  const pieces = Array.isArray(block.thinking) ? block.thinking : [];
  const text = pieces.map((piece) => textOf(objectOf(piece)?.text) ?? '').join('');
  return text === '' ? [] : [{ kind: 'reasoning', text, at: path }];
}

/** A URL, or the data inside a data URL. */
function sourceOf(url: string): MediaSource {
  const match = DATA_URL.exec(url);
  if (match === null) return { kind: 'url', url };
  const rest = url.slice(match[0].length);
  const data = match[3] === undefined ? Buffer.from(percentDecoded(rest)).toString('base64') : rest;
  return { kind: 'base64', data, mediaType: match[1] || 'text/plain' };
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function invalid(param: string, rule: string): Fault {
  return fault('invalid_messages', `'${param}' ${rule}`, { param });
}
