import path from 'node:path';
import { expect, it } from 'vitest';
import { EVERYTHING, runSimulation } from './run-simulation.ts';

const REPOSITORY_ROOT = path.resolve(import.meta.dirname, '../..');

it('keeps every invariant of money and usage through a random interleaving of everything that can happen', {
  timeout: 180_000,
}, async () => {
  const { broken, trace, completed, refused } = await runSimulation({
    sourceRoot: REPOSITORY_ROOT,
    seed: 20_261_121,
    steps: 1_500,
    processes: 2,
    customers: 4,
    disturbances: EVERYTHING,
  });
  expect(broken, [...trace.slice(-40), JSON.stringify({ completed, refused })].join('\n')).toEqual([]);
  expect(completed).toBeGreaterThan(200);
});
