import type { Logger } from 'pino';
import type { Sql } from '#db/client.ts';
import type { Clock } from '#shared/clock.ts';
import { floorToMicroUsd } from '#shared/money.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { executePipeline, type RedisLink } from '#shared/redis-link.ts';
import { type UsageTotals, usageWindowStarts, type WindowTotals } from '#shared/usage-totals.ts';

const INTERVAL_MS = 1_000;
const ACCOUNTS_PER_ROUND = 500;
const KEEP_SECONDS = 40 * 24 * 3_600;

interface DayRow {
  account_id: string;
  day: string;
  cost_nano: string;
  prompt_tokens: string;
  completion_tokens: string;
  request_count: string;
  success_count: string;
}

/** Keeps each account's totals of the current day, week and month in Redis; rebuilds them after Redis restarted. */
export class UsageTotalsPublisher {
  readonly #sql: Sql;
  readonly #link: RedisLink;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #dirty = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #seeded = false;

  constructor(sql: Sql, link: RedisLink, clock: Clock, logger: Logger) {
    this.#sql = sql;
    this.#link = link;
    this.#clock = clock;
    this.#logger = logger;
  }

  start(): void {
    this.#timer = setInterval(() => this.#wake(), INTERVAL_MS);
    this.#wake();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  markChanged(accountId: string): void {
    this.#dirty.add(accountId);
  }

  /** Redis has lost the totals: publish all of them again. */
  reseed(): void {
    this.#seeded = false;
  }

  #wake(): void {
    if (this.#running !== undefined || this.#link.runId() === undefined) return;
    this.#running = this.#publish()
      .catch((error: unknown) => {
        this.#logger.warn({ reason: String(error) }, 'Usage totals not published, trying again');
      })
      .finally(() => {
        this.#running = undefined;
      });
  }

  async #publish(): Promise<void> {
    if (!this.#seeded) {
      this.#seeded = true;
      try {
        for (const accountId of await this.#accountsOfThisMonth()) this.#dirty.add(accountId);
      } catch (error) {
        this.#seeded = false;
        throw error;
      }
    }
    while (this.#dirty.size > 0) {
      const accountIds = [...this.#dirty].slice(0, ACCOUNTS_PER_ROUND);
      for (const accountId of accountIds) this.#dirty.delete(accountId);
      try {
        await this.#publishAccounts(accountIds);
      } catch (error) {
        for (const accountId of accountIds) this.#dirty.add(accountId);
        throw error;
      }
    }
  }

  async #accountsOfThisMonth(): Promise<string[]> {
    const rows = await this.#sql<{ account_id: string }[]>`
      select distinct account_id from usage_days where day >= ${this.#firstDay()}::date`;
    return rows.map((row) => row.account_id);
  }

  /** The earlier of the first of the month and Monday: the week may have begun in the month before. */
  #firstDay(): string {
    const { weekly, monthly } = usageWindowStarts(this.#clock.nowMs());
    return weekly < monthly ? weekly : monthly;
  }

  async #publishAccounts(accountIds: readonly string[]): Promise<void> {
    const rows = await this.#sql<DayRow[]>`
      select account_id, day::text, cost_nano::text, prompt_tokens::text, completion_tokens::text,
        request_count::text, success_count::text
      from usage_days where account_id = any(${[...accountIds]}::uuid[]) and day >= ${this.#firstDay()}::date`;
    const starts = usageWindowStarts(this.#clock.nowMs());
    const pipeline = this.#link.client.pipeline();
    for (const [accountId, days] of Map.groupBy(rows, (row) => row.account_id)) {
      const totals: UsageTotals = {
        daily: totalSince(days, starts.daily),
        weekly: totalSince(days, starts.weekly),
        monthly: totalSince(days, starts.monthly),
      };
      pipeline.set(redisKeys.usageTotals(accountId), JSON.stringify(totals), 'EX', KEEP_SECONDS);
    }
    await executePipeline(pipeline);
  }
}

function totalSince(days: readonly DayRow[], from: string): WindowTotals {
  let costNano = 0n;
  let promptTokens = 0;
  let completionTokens = 0;
  let requestCount = 0;
  let successCount = 0;
  for (const row of days) {
    if (row.day < from) continue;
    costNano += BigInt(row.cost_nano);
    promptTokens += Number(row.prompt_tokens);
    completionTokens += Number(row.completion_tokens);
    requestCount += Number(row.request_count);
    successCount += Number(row.success_count);
  }
  const costMicro = floorToMicroUsd(costNano).toString();
  return { from, costMicro, promptTokens, completionTokens, requestCount, successCount };
}
