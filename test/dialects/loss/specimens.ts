import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';

/** Stands for the origin of a server whose files may be fetched. */
export const MEDIA_ORIGIN = 'https://media.test';
/** One white pixel. */
export const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==';
export const PDF = Buffer.from('%PDF-1.4 specimen').toString('base64');

export const SCHEMA: JsonObject = {
  type: 'object',
  properties: { city_of_schema: { type: 'string' } },
  required: ['city_of_schema'],
  additionalProperties: false,
};

export function user(...content: JsonValue[]): JsonObject {
  return { role: 'user', content };
}
