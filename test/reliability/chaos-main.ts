import { parseArgs } from 'node:util';
import { failuresOf, formatChaosReport, runChaos } from './chaos-run.ts';

/**
 * The kill run from the command line: `node test/reliability/chaos-main.ts --kills 20 --rate 100 --seed 7`. Exit code 1 when
 * a completed request was lost or billed twice, or when fewer kills happened than asked for.
 */
const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '20' },
    'longest-pause-ms': { type: 'string', default: '1800' },
    rate: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    'data-planes': { type: 'string', default: '2' },
    keep: { type: 'boolean', default: false },
  },
});
const report = await runChaos({
  killsPerComponent: Number(values.kills),
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
