import { readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { budgetWallet } from '#shared/budget-period.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { executePipeline, type RedisLink } from '#shared/redis-link.ts';
import type { UsageRecord } from '#shared/usage-record.ts';
import type { SpoolFiles } from './spool-files.ts';

/** Lines handled between two turns of the event loop. */
const LINES_PER_TURN = 250;
const LINES_PER_CHUNK = 5_000;
const WALLETS_PER_ROUND = 500;
const DECLARATION_TTL_SECONDS = 3_600;
const SCRIPT = readFileSync(new URL('./reserve-ended-spool.lua', import.meta.url), 'utf8');

/**
 * Tells a Redis that has not heard of it what the spool of an ended process may have spent without its being settled, so that
 * it is not lent again, and then that this spool has declared itself. What Postgres has committed already counts as well:
 * that much too much stays reserved until the spool is closed. Does nothing where it was told before.
 */
export async function reserveEndedSpool(
  link: RedisLink,
  spool: string,
  spending: EndedSpoolSpending,
): Promise<void> {
  const runId = link.runId();
  if (runId === undefined) return;
  const { client } = link;
  const declared = redisKeys.quotaDeclared(runId);
  if ((await client.sismember(declared, spool)) === 1) return;
  const spent = [...(await spending.perWallet())];
  for (let first = 0; first < spent.length; first += WALLETS_PER_ROUND) {
    const pipeline = client.pipeline();
    for (const [wallet, nano] of spent.slice(first, first + WALLETS_PER_ROUND))
      pipeline.eval(
        SCRIPT,
        2,
        ...[redisKeys.wallet(wallet), redisKeys.spoolWallets(spool), spool, wallet, nano.toString()],
      );
    await executePipeline(pipeline);
  }
  await client.sadd(declared, spool);
  await client.expire(declared, DECLARATION_TTL_SECONDS);
  await liftGuards(link, spool);
}

/** What was reserved or forbidden while the spool was silent, in wallets that its lines do not name. */
async function liftGuards({ client }: RedisLink, spool: string): Promise<void> {
  const pipeline = client.pipeline();
  for (const wallet of await client.smembers(redisKeys.spoolWallets(spool)))
    pipeline.hdel(redisKeys.wallet(wallet), `x:${spool}`);
  await executePipeline(pipeline);
}

/** What the lines of an ended spool have cost. Each line is read once, however often Redis restarts. */
export class EndedSpoolSpending {
  readonly #files: SpoolFiles;
  /** By the number of the chunk: costs per wallet of its lines. */
  readonly #chunks = new Map<number, ReadonlyMap<string, bigint>>();

  /** To `files` nothing is appended any more. */
  constructor(files: SpoolFiles) {
    this.#files = files;
  }

  /** Costs per wallet of all lines that are still on disk, and of a few before them. */
  async perWallet(): Promise<ReadonlyMap<string, bigint>> {
    const { first, last } = this.#files;
    const firstChunk = chunkOf(first);
    for (const chunk of this.#chunks.keys()) if (chunk < firstChunk) this.#chunks.delete(chunk);
    const total = new Map<string, bigint>();
    for (let chunk = firstChunk; chunk <= chunkOf(last); chunk += 1) {
      const costs = this.#chunks.get(chunk) ?? (await this.#readChunk(chunk));
      this.#chunks.set(chunk, costs);
      for (const [wallet, nano] of costs) add(total, wallet, nano);
    }
    return total;
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
