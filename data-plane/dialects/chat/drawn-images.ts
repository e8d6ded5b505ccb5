import { formatDataUrl } from '#data-plane/dialects/data-url.ts';
import { filledText, objectOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';

const DEFAULT_FORMAT = 'png';

/** A picture that a model of another protocol has drawn, in the `images` of the chat family; `undefined` when it is none. */
export function drawnImage({
  family,
  value,
}: Extract<TurnEvent, { kind: 'native_part' }>): JsonObject | undefined {
  const inline = family === 'gemini' ? objectOf(value.inlineData) : undefined;
  const isGenerated = family === 'responses' && value.type === 'image_generation_call';
  const base64 = filledText(inline?.data) ?? (isGenerated ? filledText(value.result) : undefined);
  const mediaType = isGenerated
    ? `image/${filledText(value.output_format) ?? DEFAULT_FORMAT}`
    : filledText(inline?.mimeType);
  if (base64 === undefined || mediaType?.startsWith('image/') !== true) return undefined;
  return { type: 'image_url', image_url: { url: formatDataUrl(mediaType, base64) } };
}
