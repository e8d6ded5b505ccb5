import { nanoUsd, type UsageRow } from '#test/acceptance/control-api.ts';
import { countsOf, handPrice, type PublishedTier } from '#test/acceptance/hand-price.ts';
import type { BookEntry } from '#test/fakes/mock-book.ts';
import type { CompletedAnswer } from './chaos-load.ts';

export interface Evidence {
  /** What reached the clients whole. */
  readonly completed: readonly CompletedAnswer[];
  /** What the provider says it stated. */
  readonly book: readonly BookEntry[];
  /** What the product recorded. */
  readonly records: readonly UsageRow[];
  readonly prices: ReadonlyMap<string, readonly PublishedTier[]>;
  /** By how much the account's balance fell, nano-USD. */
  readonly balanceDrop: bigint;
}

export interface Verdict {
  readonly billedExactly: number;
  readonly recordedCost: bigint;
  /** One line each; empty when every completed request was billed exactly once and nothing else was. */
  readonly problems: readonly string[];
}

/** Holds the product's records against the provider's own book. */
export function judge(evidence: Evidence): Verdict {
  const problems: string[] = [];
  const recordsById = new Map<string, UsageRow[]>();
  for (const record of evidence.records) {
    const same = recordsById.get(record.requestId) ?? [];
    recordsById.set(record.requestId, [...same, record]);
  }
  for (const [requestId, same] of recordsById)
    if (same.length > 1) problems.push(`recorded ${same.length} times: ${requestId}`);
  const book = new Map(evidence.book.map((entry) => [entry.id, entry]));
  let billedExactly = 0;
  for (const answer of evidence.completed) {
    const problem = problemOf(
      answer,
      book.get(answer.completionId),
      recordsById.get(answer.requestId),
      evidence.prices,
    );
    if (problem === undefined) billedExactly += 1;
    else
      problems.push(
        `${problem}: ${answer.requestId} (${answer.completionId}, ${answer.stream ? 'stream' : 'plain'})`,
      );
  }
  problems.push(...strangersAmong(evidence));
  const recordedCost = evidence.records.reduce((sum, record) => sum + nanoUsd(record.costUsd), 0n);
  if (recordedCost !== evidence.balanceDrop)
    problems.push(`records cost ${recordedCost} nano-USD, but the balance fell by ${evidence.balanceDrop}`);
  return { billedExactly, recordedCost, problems };
}

function problemOf(
  answer: CompletedAnswer,
  entry: BookEntry | undefined,
  records: readonly UsageRow[] | undefined,
  prices: Evidence['prices'],
): string | undefined {
  const record = records?.[0];
  if (!entry) return 'not in the book of the provider';
  if (!record) return 'completed but not recorded';
  if (record.model !== answer.model) return `recorded for model ${record.model} instead of ${answer.model}`;
  if (record.status.toLowerCase() !== 'success') return `recorded with status ${record.status}`;
  if (record.estimated) return 'recorded with estimated tokens';
  const counts = countsOf(entry);
  if (!hasCounts(record, counts)) return `recorded with other tokens than ${JSON.stringify(counts)}`;
  const cost = handPrice(counts, prices.get(answer.model) ?? []);
  return nanoUsd(record.costUsd) === cost
    ? undefined
    : `costs ${record.costUsd} USD instead of ${cost} nano-USD`;
}

/** Billed records whose counts the provider never stated: each entry of the book can explain one record only. */
function strangersAmong({ book, records }: Evidence): string[] {
  const explained = new Map<string, number>();
  for (const entry of book) {
    if (entry.status !== 200) continue;
    const counts = countsOf(entry);
    const key = `${counts.input}/${counts.output}/${counts.cacheRead}`;
    explained.set(key, (explained.get(key) ?? 0) + 1);
  }
  const strangers: string[] = [];
  for (const record of records) {
    if (record.estimated || nanoUsd(record.costUsd) === 0n) continue;
    const key = `${record.inputTokens}/${record.outputTokens}/${record.cacheReadTokens}`;
    const left = explained.get(key) ?? 0;
    if (left === 0)
      strangers.push(`billed tokens that the provider never stated: ${record.requestId} ${key}`);
    explained.set(key, left - 1);
  }
  return strangers;
}

function hasCounts(record: UsageRow, counts: ReturnType<typeof countsOf>): boolean {
  return (
    record.inputTokens === counts.input &&
    record.outputTokens === counts.output &&
    record.cacheReadTokens === counts.cacheRead &&
    record.cacheWriteTokens === 0
  );
}
