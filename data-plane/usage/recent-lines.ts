/** A run of lines that is shipped in one piece is never larger than this. */
const RUN_BYTES = 256 * 1024;
const RUN_LINES = 500;
/** Lines that are kept while nobody confirms them; older ones are read back from disk. */
const MOST_LINES = 20_000;
const NEWLINE = 0x0a;

/** Whole lines of a spool, `first`..`last`, each but the last followed by a newline. */
export interface LineRun {
  readonly first: number;
  readonly last: number;
  readonly text: Buffer;
}

interface Run {
  readonly first: number;
  readonly bytes: Buffer;
  lines: number;
  size: number;
}

/**
 * The newest lines of a spool as bytes, so that a healthy spool is never read back from disk. Bytes, because thousands of
 * strings that live for a second or two would keep the garbage collector busier than the requests they stand for.
 */
export class RecentLines {
  readonly #runs: Run[] = [];
  #lines = 0;
  /** Where the last run that was taken ended, so that the next one is not searched for. */
  #takenRun: Run | undefined;
  #takenLines = 0;
  #takenBytes = 0;

  /** Keeps a copy of `count` lines, each with its newline, the first of them being number `first`. */
  add(first: number, lines: Buffer, count: number): void {
    let run = this.#runs.at(-1);
    const isNext = run !== undefined && run.first + run.lines === first;
    if (!isNext) this.#clear();
    if (!isNext || run === undefined || !hasRoom(run, lines.length, count)) {
      run = { first, bytes: Buffer.allocUnsafeSlow(Math.max(RUN_BYTES, lines.length)), lines: 0, size: 0 };
      this.#runs.push(run);
    }
    lines.copy(run.bytes, run.size);
    run.size += lines.length;
    run.lines += count;
    this.#lines += count;
    while (this.#lines > MOST_LINES && this.#runs.length > 1) this.#forgetOldest();
  }

  /** Lines from number `from` on, in one piece; `undefined` when they are no longer here. */
  take(from: number): LineRun | undefined {
    const run = this.#runs.find(({ first, lines }) => first <= from && from < first + lines);
    if (run === undefined) return undefined;
    const start = this.#offsetOf(run, from);
    this.#takenRun = run;
    this.#takenLines = run.lines;
    this.#takenBytes = run.size;
    return { first: from, last: run.first + run.lines - 1, text: run.bytes.subarray(start, run.size - 1) };
  }

  /** Lets go of lines up to number `last`. */
  dropThrough(last: number): void {
    for (;;) {
      const [oldest] = this.#runs;
      if (oldest === undefined || oldest.first + oldest.lines - 1 > last) return;
      this.#forgetOldest();
    }
  }

  #offsetOf(run: Run, sequence: number): number {
    let line = run.first;
    let at = 0;
    if (run === this.#takenRun && run.first + this.#takenLines <= sequence) {
      line = run.first + this.#takenLines;
      at = this.#takenBytes;
    }
    for (; line < sequence; line += 1) at = run.bytes.indexOf(NEWLINE, at) + 1;
    return at;
  }

  #forgetOldest(): void {
    const oldest = this.#runs.shift();
    this.#lines -= oldest?.lines ?? 0;
    if (oldest === this.#takenRun) this.#takenRun = undefined;
  }

  #clear(): void {
    this.#runs.length = 0;
    this.#lines = 0;
    this.#takenRun = undefined;
  }
}

function hasRoom({ bytes, size, lines }: Run, moreBytes: number, moreLines: number): boolean {
  return size + moreBytes <= bytes.length && lines + moreLines <= RUN_LINES;
}
