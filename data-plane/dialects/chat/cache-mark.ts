import { objectOf } from '#data-plane/dialects/json-access.ts';
import type { CacheMark, JsonObject } from '#data-plane/dialects/turn.ts';

/** Prompt-cache breakpoints, as several clients of this dialect send them for models that know them. */
export function cacheMarkOf(holder: JsonObject): CacheMark | undefined {
  const mark = objectOf(holder.cache_control);
  if (mark === undefined) return undefined;
  return { ttl: mark.ttl === '1h' ? '1h' : '5m' };
}
