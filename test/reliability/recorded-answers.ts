import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '#shared/clock.ts';
import { type ControlApi, nanoUsd, type UsageRow } from '#test/acceptance/control-api.ts';
import type { PublishedTier } from '#test/acceptance/hand-price.ts';
import { readBookFile } from '#test/fakes/mock-book.ts';
import type { CompletedAnswer } from './chaos-load.ts';
import { judge, type Verdict } from './chaos-verdict.ts';

const QUIESCENCE_TIMEOUT_MS = 120_000;
const QUIESCENCE_POLL_MS = 2_000;

/** Holds the records of an account against the book of the provider and against its balance. */
export async function verdictOf(
  api: ControlApi,
  run: {
    accountId: string;
    /** What the account began with. */
    creditUsd: string;
    bookPath: string;
    prices: ReadonlyMap<string, readonly PublishedTier[]>;
    completed: readonly CompletedAnswer[];
    records: readonly UsageRow[];
  },
): Promise<Verdict> {
  const balance = nanoUsd(await api.availableUsd(run.accountId));
  return judge({
    completed: run.completed,
    book: readBookFile(run.bookPath),
    records: run.records,
    prices: run.prices,
    balanceDrop: nanoUsd(run.creditUsd) - balance,
  });
}

/** The records once every completed request has one and no further ones arrive; else what there is after the deadline. */
export async function untilRecorded(
  api: ControlApi,
  accountId: string,
  completed: readonly CompletedAnswer[],
): Promise<UsageRow[]> {
  const deadlineMs = systemClock.monotonicMs() + QUIESCENCE_TIMEOUT_MS;
  let previous = -1;
  for (;;) {
    const records = await api.usageRecords(accountId);
    const recorded = new Set(records.map((record) => record.requestId));
    const isWhole = completed.every((answer) => recorded.has(answer.requestId));
    if ((isWhole && records.length === previous) || systemClock.monotonicMs() > deadlineMs) return records;
    previous = records.length;
    await delay(QUIESCENCE_POLL_MS);
  }
}
