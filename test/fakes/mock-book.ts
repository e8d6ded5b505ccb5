import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { MockUsage } from './mock-script.ts';

/**
 * One completion as its provider knows it. `started`: not over yet, or the provider was killed. `written`: every byte went
 * to the socket. `broken`: the script broke it. `client_gone`: the caller closed the connection first. `refused`: an error
 * status, nothing was generated.
 */
export interface BookEntry extends MockUsage {
  /** Unique, and the `id` inside the response. */
  readonly id: string;
  readonly model: string;
  readonly stream: boolean;
  readonly status: number;
  /** Whether the counts were put into the response. */
  readonly usageStated: boolean;
  readonly outcome: 'started' | 'written' | 'broken' | 'client_gone' | 'refused';
  readonly startedAtMs: number;
  readonly endedAtMs: number | null;
}

/**
 * The provider's own record of what it has answered, independent of everything that the gateway writes. With a file, each
 * change is appended to it at once and the last line of an id counts, so the book outlives its process.
 */
export class MockBook {
  private readonly byId = new Map<string, BookEntry>();
  private readonly file: number | undefined;

  constructor(path: string | undefined) {
    if (path === undefined) return;
    for (const entry of readBookFile(path)) this.byId.set(entry.id, entry);
    this.file = openSync(path, 'a', 0o600);
  }

  get entries(): readonly BookEntry[] {
    return [...this.byId.values()];
  }

  get(id: string): BookEntry | undefined {
    return this.byId.get(id);
  }

  write(entry: BookEntry): void {
    this.byId.set(entry.id, entry);
    if (this.file !== undefined) writeSync(this.file, `${JSON.stringify(entry)}\n`);
  }

  close(): void {
    if (this.file !== undefined) closeSync(this.file);
  }
}

/** Reads a book that a standalone provider has left, also one whose last line was cut by a kill. */
export function readBookFile(path: string): BookEntry[] {
  const byId = new Map<string, BookEntry>();
  for (const line of readLines(path)) {
    const entry = parseEntry(line);
    if (entry) byId.set(entry.id, entry);
  }
  return [...byId.values()];
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function parseEntry(line: string): BookEntry | undefined {
  try {
    return line === '' ? undefined : (JSON.parse(line) as BookEntry);
  } catch {
    return undefined;
  }
}
