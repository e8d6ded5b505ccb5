import { expect, it } from 'vitest';
import { failuresOf, formatChaosReport } from './chaos-report.ts';
import { runChaos } from './chaos-run.ts';

const RUN_TIMEOUT_MS = 300_000;

it('bills every completed request exactly once while any process is killed or stopped at any moment', {
  timeout: RUN_TIMEOUT_MS,
}, async () => {
  const report = await runChaos({
    killsPerComponent: 2,
    freezesPerComponent: 1,
    longestFreezeMs: 1_500,
    backlogRecords: 2_000,
    longestPauseMs: 1_800,
    requestsPerSecond: 40,
    seed: 20_261_121,
    dataPlaneProcesses: 2,
    say: () => undefined,
  });
  expect(failuresOf(report), formatChaosReport(report)).toEqual([]);
});
