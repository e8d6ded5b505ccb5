import { expect, it } from 'vitest';
import { runSoak } from './soak-run.ts';

it.runIf(process.platform === 'linux')(
  'serves at 60 % load without growing and without losing a record (30 minutes: npm run soak)',
  { timeout: 900_000 },
  async () => {
    const say = (line: string): void => void process.stdout.write(`${line}\n`);
    const { problems, load } = await runSoak({ minutes: 6, seed: 1, say });
    expect(problems).toEqual([]);
    expect(load.completed.length).toBe(load.sent);
  },
);
