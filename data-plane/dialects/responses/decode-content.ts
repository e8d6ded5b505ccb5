import { parseDataUrl } from '#data-plane/dialects/data-url.ts';
import { isJsonObject, textOf } from '#data-plane/dialects/json-access.ts';
import type {
  CacheMark,
  JsonObject,
  JsonValue,
  MediaKind,
  MediaPart,
  MediaSource,
  Part,
} from '#data-plane/dialects/turn.ts';
import type { RequestFields } from './request-fields.ts';

const DOCUMENT_TYPES: Readonly<Record<string, string>> = {
  csv: 'text/csv',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  html: 'text/html',
  json: 'application/json',
  md: 'text/markdown',
  txt: 'text/plain',
};
/** What the absence of a level of detail means. */
const DEFAULT_DETAIL = 'auto';
const DEFAULT_DOCUMENT_TYPE = 'application/pdf';

/** Reads the content of a message or of a tool's output: a text, or a list of content parts. */
export function decodeContent(
  content: JsonValue | undefined,
  path: string,
  fields: RequestFields,
): readonly Part[] {
  if (typeof content === 'string') return [{ kind: 'text', text: content, at: path }];
  if (!Array.isArray(content)) {
    fields.refuse('invalid_messages', path, `'${path}' must be a string or an array of content parts.`);
    return [];
  }
  return content.flatMap((part, position) => decodePart(part, `${path}[${position}]`, fields) ?? []);
}

function decodePart(value: JsonValue, path: string, fields: RequestFields): Part | undefined {
  if (!isJsonObject(value)) return fields.refuse('invalid_messages', path, `'${path}' must be an object.`);
  const cache = cacheMark(value, path);
  switch (value.type) {
    case 'input_text':
    case 'output_text':
    case 'text':
    case 'summary_text':
    case 'reasoning_text':
      return { kind: 'text', text: fields.requiredText(value.text, `${path}.text`), at: path, ...cache };
    case 'refusal':
      return { kind: 'refusal', text: fields.requiredText(value.refusal, `${path}.refusal`), at: path };
    case 'input_image':
      return decodeImage(value, path, fields, cache);
    case 'input_file':
      return decodeFile(value, path, fields, cache);
    case 'input_audio':
      return decodeAudio(value, path, fields);
    case 'input_video':
      return decodeVideo(value, path, fields);
    default:
      return fields.refuse(
        'invalid_messages',
        `${path}.type`,
        `'${path}.type' is not a content type that is supported here.`,
      );
  }
}

/** The boundary of a cached prefix; its lifetime is set elsewhere and at most a matter of minutes. */
function cacheMark(value: JsonObject, path: string): { cache?: CacheMark } {
  const at = `${path}.prompt_cache_breakpoint`;
  return isJsonObject(value.prompt_cache_breakpoint) ? { cache: { ttl: '5m', at } } : {};
}

function decodeImage(
  value: JsonObject,
  path: string,
  fields: RequestFields,
  cache: { cache?: CacheMark },
): MediaPart | undefined {
  const fileId = fields.text(value.file_id, `${path}.file_id`);
  const detail = fields.text(value.detail, `${path}.detail`);
  const more = { ...(detail === undefined || detail === DEFAULT_DETAIL ? {} : { detail }), ...cache };
  if (fileId !== undefined)
    return {
      kind: 'media',
      media: 'image',
      source: { kind: 'file_id', id: fileId, family: 'responses' },
      at: path,
      ...more,
    };
  // Some clients nest the address as chat does.
  const url = isJsonObject(value.image_url) ? value.image_url.url : value.image_url;
  const media = decodeUrlMedia('image', url, `${path}.image_url`, fields);
  return media === undefined ? undefined : { ...media, at: path, ...more };
}

function decodeVideo(value: JsonObject, path: string, fields: RequestFields): MediaPart | undefined {
  const video = decodeUrlMedia('video', value.video_url, `${path}.video_url`, fields);
  return video === undefined ? undefined : { ...video, at: path };
}

function decodeUrlMedia(
  media: MediaKind,
  value: JsonValue | undefined,
  path: string,
  fields: RequestFields,
): MediaPart | undefined {
  if (typeof value !== 'string' || value === '')
    return fields.refuse('invalid_messages', path, `'${path}' must be a URL or a data URL.`);
  if (!value.startsWith('data:')) return { kind: 'media', media, source: { kind: 'url', url: value } };
  const inline = parseDataUrl(value);
  if (inline === undefined)
    return fields.refuse('invalid_messages', path, `'${path}' is not a valid data URL.`);
  return { kind: 'media', media, source: { kind: 'base64', ...inline } };
}

function decodeFile(
  value: JsonObject,
  path: string,
  fields: RequestFields,
  cache: { cache?: CacheMark },
): MediaPart | undefined {
  const filename = fields.text(value.filename, `${path}.filename`);
  const source = fileSource(value, filename, path, fields);
  if (source === undefined) return undefined;
  const media = source.kind === 'base64' && source.mediaType.startsWith('image/') ? 'image' : 'document';
  return {
    kind: 'media',
    media,
    source,
    at: path,
    ...(filename === undefined ? {} : { filename }),
    ...cache,
  };
}

function fileSource(
  value: JsonObject,
  filename: string | undefined,
  path: string,
  fields: RequestFields,
): MediaSource | undefined {
  const fileId = fields.text(value.file_id, `${path}.file_id`);
  if (fileId !== undefined) return { kind: 'file_id', id: fileId, family: 'responses' };
  const url = fields.text(value.file_url, `${path}.file_url`);
  if (url !== undefined && url !== '') return { kind: 'url', url };
  const data = fields.text(value.file_data, `${path}.file_data`);
  if (data === undefined || data === '')
    return fields.refuse(
      'invalid_messages',
      path,
      `'${path}' needs one of 'file_data', 'file_url' and 'file_id'.`,
    );
  const inline = parseDataUrl(data);
  if (inline !== undefined) return { kind: 'base64', ...inline };
  const extension = filename?.slice(filename.lastIndexOf('.') + 1).toLowerCase() ?? '';
  return { kind: 'base64', data, mediaType: DOCUMENT_TYPES[extension] ?? DEFAULT_DOCUMENT_TYPE };
}

function decodeAudio(value: JsonObject, path: string, fields: RequestFields): MediaPart | undefined {
  const audio = isJsonObject(value.input_audio) ? value.input_audio : value;
  const data = textOf(audio.data);
  if (data === undefined)
    return fields.refuse('invalid_messages', path, `'${path}.input_audio.data' must be base64 text.`);
  const format = textOf(audio.format) ?? 'wav';
  return {
    kind: 'media',
    media: 'audio',
    source: { kind: 'base64', data, mediaType: `audio/${format}` },
    at: path,
  };
}
