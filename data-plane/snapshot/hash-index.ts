/**
 * From 32-bit hashes to the numbers of what has them, in flat arrays: about 14 bytes each. Divided into parts that grow one
 * by one, so that growth never takes long. Several numbers may have one hash; who asks tells them apart.
 */
const PARTS = 256;
const FIRST_SLOTS = 16;
const FULLEST = 0.75;
const PART_SHIFT = 24;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const GOLDEN = 0x9e3779b1;

interface Part {
  /** Numbers, 0 where a slot is free. */
  numbers: Uint32Array;
  hashes: Uint32Array;
  count: number;
}

/** 32 bits of a text (FNV-1a, mixed so that all bits depend on all characters). */
export function hashText(text: string): number {
  let hash = FNV_OFFSET;
  for (let index = 0; index < text.length; index += 1)
    hash = Math.imul(hash ^ text.charCodeAt(index), FNV_PRIME);
  hash = Math.imul(hash ^ (hash >>> 15), GOLDEN);
  return (hash ^ (hash >>> 13)) >>> 0;
}

export class HashIndex {
  readonly #parts: Part[] = Array.from({ length: PARTS }, () => newPart(FIRST_SLOTS));

  /** The number under `hash` that `accepts` takes; 0 when there is none. */
  find(hash: number, accepts: (number: number) => boolean): number {
    const { numbers, hashes } = this.#partOf(hash);
    const mask = numbers.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const number = numbers[slot] ?? 0;
      if (number === 0 || (hashes[slot] === hash && accepts(number))) return number;
    }
  }

  /** `number` is above 0 and not yet under `hash`. */
  add(hash: number, number: number): void {
    const part = this.#partOf(hash);
    if (part.count + 1 > part.numbers.length * FULLEST) grow(part);
    place(part, hash, number);
    part.count += 1;
  }

  replace(hash: number, from: number, to: number): void {
    const part = this.#partOf(hash);
    part.numbers[slotOf(part, hash, from)] = to;
  }

  remove(hash: number, number: number): void {
    const part = this.#partOf(hash);
    const { numbers, hashes } = part;
    const mask = numbers.length - 1;
    let hole = slotOf(part, hash, number);
    numbers[hole] = 0;
    part.count -= 1;
    // What stands behind moves up, unless it stands where it belongs: a search ends at the first free slot.
    for (let slot = (hole + 1) & mask; numbers[slot] !== 0; slot = (slot + 1) & mask) {
      const home = (hashes[slot] ?? 0) & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      numbers[hole] = numbers[slot] ?? 0;
      hashes[hole] = hashes[slot] ?? 0;
      numbers[slot] = 0;
      hole = slot;
    }
  }

  #partOf(hash: number): Part {
    const part = this.#parts[hash >>> PART_SHIFT];
    if (part === undefined) throw new Error('A hash has 32 bits');
    return part;
  }
}

function newPart(slots: number): Part {
  return { numbers: new Uint32Array(slots), hashes: new Uint32Array(slots), count: 0 };
}

function place({ numbers, hashes }: Part, hash: number, number: number): void {
  const mask = numbers.length - 1;
  let slot = hash & mask;
  while (numbers[slot] !== 0) slot = (slot + 1) & mask;
  numbers[slot] = number;
  hashes[slot] = hash;
}

function grow(part: Part): void {
  const { numbers, hashes } = part;
  part.numbers = new Uint32Array(numbers.length * 2);
  part.hashes = new Uint32Array(numbers.length * 2);
  for (let slot = 0; slot < numbers.length; slot += 1)
    if (numbers[slot] !== 0) place(part, hashes[slot] ?? 0, numbers[slot] ?? 0);
}

function slotOf({ numbers, hashes }: Part, hash: number, number: number): number {
  const mask = numbers.length - 1;
  for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
    if (numbers[slot] === number && hashes[slot] === hash) return slot;
    if (numbers[slot] === 0) throw new Error('This number is not in the index');
  }
}
