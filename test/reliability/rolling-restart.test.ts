import { expect, it } from 'vitest';
import { runRollingRestarts } from './rolling-run.ts';

const RUN_TIMEOUT_MS = 180_000;

it('replaces the only data-plane process under load without a failed request or a lost record', {
  timeout: RUN_TIMEOUT_MS,
}, async () => {
  const report = await runRollingRestarts({
    dataPlaneProcesses: 1,
    requestsPerSecond: 40,
    restarts: 2,
    by: 'command',
    longStreamMs: 2_000,
    seed: 20_261_121,
  });
  expect(report.problems).toEqual([]);
  expect(report.processesSeen).toBe(3);
  expect(report.load.completed.length).toBe(report.load.sent);
});
