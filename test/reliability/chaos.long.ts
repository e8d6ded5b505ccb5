import { expect, it } from 'vitest';
import { failuresOf, formatChaosReport } from './chaos-report.ts';
import { runChaos } from './chaos-run.ts';

const RUN_TIMEOUT_MS = 1_800_000;

it.each([
  { backlogRecords: 0, seed: 1 },
  { backlogRecords: 1_000_000, seed: 2 },
])(
  'bills every completed request exactly once under 200 requests/s and 50 kills of every component, after $backlogRecords records',
  { timeout: RUN_TIMEOUT_MS },
  async ({ backlogRecords, seed }) => {
    const report = await runChaos({
      killsPerComponent: 50,
      freezesPerComponent: 10,
      longestFreezeMs: 4_000,
      longestPauseMs: 1_800,
      requestsPerSecond: 200,
      backlogRecords,
      seed,
      dataPlaneProcesses: 2,
      say: (line) => process.stdout.write(`${line}\n`),
    });
    process.stdout.write(formatChaosReport(report));
    expect(failuresOf(report)).toEqual([]);
  },
);
