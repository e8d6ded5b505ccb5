const MARK_EVERY_MS = 1_000;

/** Knows how long the oldest line has waited, to the second, from marks instead of a time per line. */
export class BacklogAge {
  #marks: { readonly sequence: number; readonly atMs: number }[] = [];

  /** A line with this number was added; numbers rise. */
  added(sequence: number, nowMs: number): void {
    const last = this.#marks.at(-1);
    if (last === undefined || nowMs - last.atMs >= MARK_EVERY_MS) this.#marks.push({ sequence, atMs: nowMs });
  }

  /** Everything up to this number is done. Ms since the oldest line that is left was added; 0 when none is. */
  ageMs(confirmed: number, last: number, nowMs: number): number {
    while (this.#marks.length > 1 && (this.#marks[1]?.sequence ?? 0) <= confirmed + 1) this.#marks.shift();
    if (confirmed < last) return nowMs - (this.#marks[0]?.atMs ?? nowMs);
    this.#marks = [];
    return 0;
  }
}
