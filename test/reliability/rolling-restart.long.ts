import { expect, it } from 'vitest';
import { type RollingOptions, runRollingRestarts } from './rolling-run.ts';

const RUN_TIMEOUT_MS = 900_000;

it.each<Pick<RollingOptions, 'dataPlaneProcesses' | 'by' | 'restarts'>>([
  { dataPlaneProcesses: 1, by: 'command', restarts: 10 },
  { dataPlaneProcesses: 2, by: 'command', restarts: 5 },
  { dataPlaneProcesses: 2, by: 'terminated', restarts: 3 },
])(
  'replaces $dataPlaneProcesses processes $restarts times (by: $by) at 100 requests per second and loses nothing',
  {
    timeout: RUN_TIMEOUT_MS,
  },
  async (plan) => {
    const report = await runRollingRestarts({
      ...plan,
      requestsPerSecond: 100,
      longStreamMs: 5_000,
      seed: 1,
    });
    const { sent, completed, reconnects } = report.load;
    process.stdout.write(
      `${sent} sent, ${completed.length} complete, ${reconnects} connections opened once more\n`,
    );
    expect(report.problems).toEqual([]);
    expect(report.processesSeen).toBe(plan.dataPlaneProcesses * (plan.restarts + 1));
    expect(completed.length).toBe(sent);
  },
);
