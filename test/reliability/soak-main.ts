import { parseArgs } from 'node:util';
import { runSoak } from './soak-run.ts';

/** The soak from the command line: `npm run soak -- --minutes 30`. Exit code 1 when it was not flat or a record was lost. */
const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '30' }, seed: { type: 'string', default: '1' } },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const { load, trends, problems } = await runSoak({
  minutes: Number(values.minutes),
  seed: Number(values.seed),
  say,
});
say(`${load.sent} sent, ${load.completed.length} complete`);
for (const line of [...trends.map(({ text }) => text), ...problems.map((problem) => `FAILED: ${problem}`)])
  say(line);
process.exitCode = problems.length === 0 ? 0 : 1;
