import { COMPONENTS, type Component } from './chaos-components.ts';
import type { Disturbance } from './chaos-disturbances.ts';
import type { LoadSecond } from './chaos-load.ts';
import type { ChaosReport } from './chaos-run.ts';

const LISTED_PROBLEMS = 40;

/** The report as text: what was done, what came of it, and each problem on a line of its own. */
export function formatChaosReport(report: ChaosReport): string {
  const { load, verdict, options, audit } = report;
  const failures = [...load.failures].map(([name, count]) => `    ${count} ${name}`);
  const problems = [...verdict.problems, ...audit];
  return [
    `chaos: seed ${options.seed}, ${options.requestsPerSecond} requests/s, ${Math.round(report.durationMs / 1000)} s, backlog of ${options.backlogRecords} records`,
    ...COMPONENTS.map((component) => `  ${component.padEnd(14)} ${describeComponent(report, component)}`),
    `  own crashes    ${report.crashes.length === 0 ? 'none' : report.crashes.join(', ')}`,
    `  requests       ${load.sent} sent, ${load.completed.length} complete at the client, ${load.skipped} skipped`,
    `  not complete   ${load.sent - load.completed.length}`,
    ...failures,
    `  by the second  ${load.seconds.map(shareCompleted).join('')} (tenths that completed, * all)`,
    `  records        ${report.records}, cost ${verdict.recordedCost} nano-USD`,
    `  exactly billed ${verdict.billedExactly} of ${load.completed.length}`,
    `  problems       ${problems.length}`,
    ...problems.slice(0, LISTED_PROBLEMS).map((problem) => `    ${problem}`),
    '',
  ].join('\n');
}

function describeComponent({ disturbances }: ChaosReport, component: Component): string {
  const all = disturbances.filter((each) => each.component === component);
  const kills = all.filter(({ manner }) => manner === 'kill');
  const sorted = kills
    .map(({ recoveredAfterMs }) => Math.round(recoveredAfterMs))
    .sort((left, right) => left - right);
  const times = `${sorted[0] ?? '-'} / ${sorted[sorted.length >> 1] ?? '-'} / ${sorted.at(-1) ?? '-'} ms`;
  return `${kills.length} kills, back after ${times} (min / median / max); ${all.length - kills.length} freezes`;
}

function shareCompleted({ completed, failed }: LoadSecond): string {
  return failed === 0 ? '*' : String(Math.floor((10 * completed) / (completed + failed)));
}

/** Why the run does not count as passed; empty when it does. */
export function failuresOf(report: ChaosReport): string[] {
  const { killsPerComponent, freezesPerComponent } = report.options;
  const countOf = (component: Component, manner: Disturbance['manner']) =>
    report.disturbances.filter((each) => each.component === component && each.manner === manner).length;
  return [
    ...COMPONENTS.filter((component) => countOf(component, 'kill') < killsPerComponent).map(
      (component) => `fewer than ${killsPerComponent} kills of ${component}`,
    ),
    ...COMPONENTS.filter((component) => countOf(component, 'freeze') < freezesPerComponent).map(
      (component) => `fewer than ${freezesPerComponent} freezes of ${component}`,
    ),
    ...(report.load.completed.length === 0 ? ['no request completed'] : []),
    ...report.verdict.problems,
    ...report.audit,
  ];
}
