import { parseArgs } from 'node:util';
import { failuresOf, formatChaosReport } from './chaos-report.ts';
import { runChaos } from './chaos-run.ts';

/**
 * The chaos run from the command line: `node test/reliability/chaos-main.ts --kills 50 --freezes 10 --rate 200 --seed 7`. Exit code 1 when
 * a completed request was lost or billed twice, or when fewer kills happened than asked for.
 */
const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    freezes: { type: 'string', default: '10' },
    'longest-freeze-ms': { type: 'string', default: '4000' },
    'longest-pause-ms': { type: 'string', default: '1800' },
    rate: { type: 'string', default: '200' },
    backlog: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    'data-planes': { type: 'string', default: '2' },
    keep: { type: 'boolean', default: false },
  },
});
const report = await runChaos({
  killsPerComponent: Number(values.kills),
  freezesPerComponent: Number(values.freezes),
  longestFreezeMs: Number(values['longest-freeze-ms']),
  backlogRecords: Number(values.backlog),
  longestPauseMs: Number(values['longest-pause-ms']),
  requestsPerSecond: Number(values.rate),
  seed: Number(values.seed),
  dataPlaneProcesses: Number(values['data-planes']),
  keepsState: values.keep,
  say: (line) => process.stdout.write(`${line}\n`),
});
process.stdout.write(formatChaosReport(report));
const failures = failuresOf(report);
process.stdout.write(failures.length === 0 ? 'passed\n' : `FAILED: ${failures.length} problems\n`);
process.exitCode = failures.length === 0 ? 0 : 1;
