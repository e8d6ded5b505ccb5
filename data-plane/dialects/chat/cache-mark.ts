import { objectOf } from '#data-plane/dialects/json-access.ts';
import type { CacheMark, JsonObject } from '#data-plane/dialects/turn.ts';

/**
 * Prompt-cache breakpoints: the dialect's own, and `cache_control`, as several clients send it for models that know it.
 * `path` is that of the holder.
 */
export function cacheMarkOf(holder: JsonObject, path: string): CacheMark | undefined {
  const mark = objectOf(holder.cache_control);
  if (mark !== undefined) return { ttl: mark.ttl === '1h' ? '1h' : '5m', at: `${path}.cache_control` };
  if (objectOf(holder.prompt_cache_breakpoint) === undefined) return undefined;
  return { ttl: '5m', at: `${path}.prompt_cache_breakpoint` };
}
