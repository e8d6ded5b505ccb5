/** Replaces the bytes from `start` to `end` (equal for an insertion). */
export interface Splice {
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
}

/** A copy of `body` with `splices` applied; every other byte stays as it was. Splices must not overlap. */
export function spliceBytes(body: Uint8Array, splices: readonly Splice[]): Buffer {
  const ordered =
    splices.length === 1 ? splices : [...splices].sort((left, right) => left.start - right.start);
  let size = body.length;
  for (const splice of ordered) size += splice.bytes.length - (splice.end - splice.start);
  const result = Buffer.allocUnsafe(size);
  let from = 0;
  let to = 0;
  for (const splice of ordered) {
    result.set(body.subarray(from, splice.start), to);
    to += splice.start - from;
    result.set(splice.bytes, to);
    to += splice.bytes.length;
    from = splice.end;
  }
  result.set(body.subarray(from), to);
  return result;
}
