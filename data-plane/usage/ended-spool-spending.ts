import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { z } from 'zod';
import { budgetWallet } from '#shared/budget-period.ts';
import type { UsageRecord } from '#shared/usage-record.ts';
import type { SpoolFiles } from './spool-files.ts';

/** Lines handled between two turns of the event loop. */
const LINES_PER_TURN = 250;
const LINES_PER_CHUNK = 5_000;
/** Shorter spools are read again as quickly. */
const FEWEST_CHUNKS_KEPT = 1;
const SUMS_FILE = 'sums.json';
/** Per chunk, by its number: wallets and what the lines have cost them, nano-USD. */
const SUMS_SHAPE = z.array(z.tuple([z.int(), z.array(z.tuple([z.string(), z.string().regex(/^\d+$/)]))]));

/**
 * What the lines of an ended spool have cost. Each line is read once, however often Redis restarts; the sums are kept beside
 * the lines for the next process that adopts the spool.
 */
export class EndedSpoolSpending {
  readonly #files: SpoolFiles;
  /** By the number of the chunk: costs per wallet of its lines. */
  readonly #chunks = new Map<number, ReadonlyMap<string, bigint>>();
  #hasLooked = false;

  /** To `files` nothing is appended any more. */
  constructor(files: SpoolFiles) {
    this.#files = files;
  }

  /** Costs per wallet of all lines that are still on disk, and of a few before them. */
  async perWallet(): Promise<ReadonlyMap<string, bigint>> {
    if (!this.#hasLooked) await this.#lookBeside();
    this.#hasLooked = true;
    const { first, last } = this.#files;
    const firstChunk = chunkOf(first);
    for (const chunk of this.#chunks.keys()) if (chunk < firstChunk) this.#chunks.delete(chunk);
    const total = new Map<string, bigint>();
    let isNew = false;
    for (let chunk = firstChunk; chunk <= chunkOf(last); chunk += 1) {
      let costs = this.#chunks.get(chunk);
      if (costs === undefined) {
        costs = await this.#readChunk(chunk);
        this.#chunks.set(chunk, costs);
        isNew = true;
      }
      for (const [wallet, nano] of costs) add(total, wallet, nano);
    }
    if (isNew && chunkOf(last) - firstChunk >= FEWEST_CHUNKS_KEPT) await this.#keepBeside();
    return total;
  }

  /** Takes over the sums of the process that had adopted the spool before; where there are none, lines are read instead. */
  async #lookBeside(): Promise<void> {
    try {
      const text = await readFile(join(this.#files.directory, SUMS_FILE), 'utf8');
      for (const [chunk, costs] of SUMS_SHAPE.parse(JSON.parse(text)))
        this.#chunks.set(chunk, new Map(costs.map(([wallet, nano]) => [wallet, BigInt(nano)])));
    } catch {
      this.#chunks.clear();
    }
  }

  async #keepBeside(): Promise<void> {
    const sums = [...this.#chunks].map(([chunk, costs]) => [
      chunk,
      [...costs].map(([wallet, nano]) => [wallet, String(nano)]),
    ]);
    const path = join(this.#files.directory, SUMS_FILE);
    const draft = `${path}.${process.pid}`;
    try {
      await writeFile(draft, JSON.stringify(sums), { mode: 0o600 });
      await rename(draft, path);
    } catch {
      // The disk is full or the spool is settled and gone: then the next process reads the lines, if there are any.
    }
  }

  async #readChunk(chunk: number): Promise<ReadonlyMap<string, bigint>> {
    const costs = new Map<string, bigint>();
    const { first, last } = this.#files;
    const end = Math.min(last, (chunk + 1) * LINES_PER_CHUNK);
    for (let from = Math.max(first, chunk * LINES_PER_CHUNK + 1); from <= end; from += LINES_PER_TURN) {
      const until = Math.min(from + LINES_PER_TURN - 1, end);
      for (const { sequence, text } of this.#files.read(from, until - from + 1)) {
        // What was trimmed meanwhile is made up for by later lines.
        if (sequence > until) break;
        const record = readCost(text);
        if (record === undefined) continue;
        const nano = BigInt(record.costNano);
        add(costs, record.accountId, nano);
        if (record.budgetPeriod !== undefined)
          add(costs, budgetWallet(record.apiKeyId, record.budgetPeriod), nano);
      }
      await nextTurn();
    }
    return costs;
  }
}

function chunkOf(sequence: number): number {
  return Math.floor((sequence - 1) / LINES_PER_CHUNK);
}

function add(sums: Map<string, bigint>, wallet: string, nano: bigint): void {
  sums.set(wallet, (sums.get(wallet) ?? 0n) + nano);
}

/** The parts of a usage record that money depends on; `undefined` for lines that are none or cost nothing. */
function readCost(
  text: string,
): Pick<UsageRecord, 'accountId' | 'apiKeyId' | 'budgetPeriod' | 'costNano'> | undefined {
  try {
    const record = JSON.parse(text) as UsageRecord;
    return /^[1-9]\d*$/.test(record.costNano) ? record : undefined;
  } catch {
    return undefined;
  }
}
