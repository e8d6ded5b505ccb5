const MAX_NAMES = 10_000;
const names = new Map<string, Buffer>();

/** A name as the bytes of a JSON string, quotes included. Kept, because a catalog has few names and every request two. */
export function jsonName(name: string): Buffer {
  let bytes = names.get(name);
  if (bytes === undefined) {
    if (names.size >= MAX_NAMES) names.clear();
    bytes = Buffer.from(JSON.stringify(name));
    names.set(name, bytes);
  }
  return bytes;
}
