import { expect, it } from 'vitest';
import { failuresOf, formatChaosReport, runChaos } from './chaos-run.ts';

const RUN_TIMEOUT_MS = 1_800_000;

it('bills every completed request exactly once under 100 requests per second and 20 kills of every component', {
  timeout: RUN_TIMEOUT_MS,
}, async () => {
  const report = await runChaos({
    killsPerComponent: 20,
    longestPauseMs: 1_800,
    requestsPerSecond: 100,
    seed: 1,
    dataPlaneProcesses: 2,
    say: (line) => process.stdout.write(`${line}\n`),
  });
  process.stdout.write(formatChaosReport(report));
  expect(failuresOf(report)).toEqual([]);
});
