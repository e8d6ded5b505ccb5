import {
  closeSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

/**
 * One spool on disk: a directory of segments, each a run of JSON lines named by the sequence of its first line. A line is
 * in the spool once its newline is written; a torn last line of a killed process is no record, its response never ended.
 */
const SEGMENT_SUFFIX = '.jsonl';
const SEQUENCE_DIGITS = 16;
const NEWLINE = 0x0a;

export interface SpoolLine {
  readonly sequence: number;
  readonly text: string;
}

interface Segment {
  readonly path: string;
  readonly first: number;
  lines: number;
  bytes: number;
}

export class SpoolFiles {
  readonly directory: string;
  readonly #segmentBytes: number;
  readonly #segments: Segment[] = [];
  #descriptor: number | undefined;
  #readLast: { readonly path: string; readonly texts: readonly string[] } | undefined;
  #bytes = 0;

  /** Opens an existing or new spool directory. Lines already there are kept and counted. */
  constructor(directory: string, segmentBytes: number) {
    this.directory = directory;
    this.#segmentBytes = segmentBytes;
    for (const name of readdirSync(directory).sort()) {
      if (!name.endsWith(SEGMENT_SUFFIX)) continue;
      const path = join(directory, name);
      const content = readFileSync(path);
      this.#segments.push({
        path,
        first: Number(name.slice(0, SEQUENCE_DIGITS)),
        lines: countLines(content),
        bytes: content.length,
      });
      this.#bytes += content.length;
    }
  }

  /** Sequence of the last whole line; 0 when there never was one. */
  get last(): number {
    const segment = this.#segments.at(-1);
    return segment === undefined ? 0 : segment.first + segment.lines - 1;
  }

  /** Sequence of the first line still on disk. */
  get first(): number {
    return this.#segments[0]?.first ?? 1;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Appends `count` whole lines in one write. Throws what the file system throws; then nothing was appended. */
  append(lines: Buffer, count: number, durable: boolean): void {
    const segment = this.#openSegment();
    const descriptor = this.#descriptor ?? -1;
    let written = 0;
    try {
      written = writeSync(descriptor, lines, 0, lines.length);
      if (written !== lines.length) throw new Error('Short write to the usage spool');
      if (durable) fdatasyncSync(descriptor);
    } catch (error) {
      // Half a line would run into the next one.
      ftruncateSync(descriptor, segment.bytes);
      throw error;
    }
    segment.lines += count;
    segment.bytes += written;
    this.#bytes += written;
    if (segment.bytes >= this.#segmentBytes) this.close();
  }

  /** Up to `limit` lines from `sequence` on, read back from disk. */
  read(sequence: number, limit: number): SpoolLine[] {
    const found: SpoolLine[] = [];
    for (const segment of this.#segments) {
      if (found.length === limit) break;
      if (segment.first + segment.lines <= sequence) continue;
      const texts = this.#linesOf(segment);
      const skip = Math.max(0, sequence - segment.first);
      for (let index = skip; index < segment.lines && found.length < limit; index += 1)
        found.push({ sequence: segment.first + index, text: texts[index] ?? '' });
    }
    return found;
  }

  /** A backlog is shipped a few hundred lines at a time: the segment at hand is not read from disk again for each. */
  #linesOf(segment: Segment): readonly string[] {
    const { path, lines } = segment;
    if (this.#readLast?.path !== path || this.#readLast.texts.length < lines)
      this.#readLast = { path, texts: readFileSync(path, 'utf8').split('\n').slice(0, lines) };
    return this.#readLast.texts;
  }

  /** Deletes the segments whose every line is at or below `confirmed`, except the one being written. */
  trim(confirmed: number): void {
    for (;;) {
      const [oldest, next] = this.#segments;
      if (oldest === undefined || oldest.first + oldest.lines - 1 > confirmed) return;
      // The newest segment stays: an empty directory would forget how far the numbers went.
      if (next === undefined) return;
      rmSync(oldest.path, { force: true });
      if (this.#readLast?.path === oldest.path) this.#readLast = undefined;
      this.#bytes -= oldest.bytes;
      this.#segments.shift();
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  remove(): void {
    this.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #openSegment(): Segment {
    const current = this.#segments.at(-1);
    if (this.#descriptor !== undefined && current !== undefined) return current;
    const first = this.last + 1;
    const path = join(this.directory, `${first.toString().padStart(SEQUENCE_DIGITS, '0')}${SEGMENT_SUFFIX}`);
    this.#descriptor = openSync(path, 'a', 0o600);
    const segment = { path, first, lines: 0, bytes: fstatSync(this.#descriptor).size };
    this.#segments.push(segment);
    return segment;
  }
}

/** Whole lines; searched for as bytes, because a backlog is hundreds of megabytes and is counted at the start. */
function countLines(content: Buffer): number {
  let lines = 0;
  for (let at = content.indexOf(NEWLINE); at !== -1; at = content.indexOf(NEWLINE, at + 1)) lines += 1;
  return lines;
}
