import { cpus, loadavg } from 'node:os';
import type { Figures, Scenario } from './scenarios.ts';

/** Figures of the rounds, by scenario and target. */
export type BenchResults = Readonly<Record<string, Readonly<Record<string, readonly Figures[]>>>>;

const digitsOf = (value: number): number => (Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);
const format = (value: number): string => (Number.isFinite(value) ? value.toFixed(digitsOf(value)) : '–');

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[values.length >> 1] ?? Number.NaN;
}

function withSpread(values: readonly number[]): string {
  const range = `${format(Math.min(...values))}–${format(Math.max(...values))}`;
  return values.length > 1 ? `${format(median(values))} (${range})` : format(median(values));
}

/** The machine and what else it does, in a line. */
export function conditions(rounds: number, durationMs: number): string {
  const [cpu] = cpus();
  const load = loadavg().map((value) => value.toFixed(1));
  return (
    `${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}), Node ${process.versions.node}, loopback, one data-plane process, ` +
    `median of ${rounds} alternated rounds of ${durationMs / 1_000} s (smallest–largest), load average ${load.join(' ')}`
  );
}

/** One row per scenario, its first figure only. */
export function asSummary(results: BenchResults, scenarios: readonly Scenario[]): string {
  const targets = [...new Set(Object.values(results).flatMap((byTarget) => Object.keys(byTarget)))];
  const rows = scenarios.flatMap(({ name, what }) => {
    const byTarget = results[name];
    const compared = Object.keys(Object.values(byTarget ?? {})[0]?.[0] ?? {})[0];
    if (byTarget === undefined || compared === undefined) return [];
    const columns = targets.map((target) => {
      const values = (byTarget[target] ?? []).map((figures) => figures[compared] ?? Number.NaN);
      return values.length === 0 ? '' : withSpread(values);
    });
    return [`| ${[what, compared, ...columns].join(' | ')} |`];
  });
  return [
    `| load | figure | ${targets.join(' | ')} |`,
    `|${'---|'.repeat(targets.length + 2)}`,
    ...rows,
    '',
  ].join('\n');
}

/** All results as Markdown: a table per scenario, the reference of the ratios first. */
export function asMarkdown(results: BenchResults, scenarios: readonly Scenario[]): string {
  const parts: string[] = [];
  for (const { name, what } of scenarios) {
    const byTarget = Object.entries(results[name] ?? {});
    const [first] = byTarget;
    const names = Object.keys(first?.[1][0] ?? {});
    if (first === undefined || names.length === 0) continue;
    const [compared = ''] = names;
    const reference = median(first[1].map((figures) => figures[compared] ?? Number.NaN));
    const rows = byTarget.map(([target, rounds]) => {
      const columns = names.map((figure) =>
        withSpread(rounds.map((figures) => figures[figure] ?? Number.NaN)),
      );
      const ratios = rounds.map((figures) => reference / (figures[compared] ?? Number.NaN));
      return `| ${[target, ...columns, withSpread(ratios)].join(' | ')} |`;
    });
    parts.push(
      `**${name}**: ${what}\n`,
      `| | ${names.join(' | ')} | ${first[0]} ÷ this |`,
      `|${'---|'.repeat(names.length + 2)}`,
      ...rows,
      '',
    );
  }
  return parts.join('\n');
}
