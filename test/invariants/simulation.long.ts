import path from 'node:path';
import { expect, it } from 'vitest';
import { EVERYTHING, runSimulation } from './run-simulation.ts';

const REPOSITORY_ROOT = path.resolve(import.meta.dirname, '../..');
const FIRST_SEED = 1;
const SEEDS = 24;
const STEPS = 2_000;

it.each(Array.from({ length: SEEDS }, (_, index) => FIRST_SEED + index))(
  'keeps every invariant with seed %i',
  { timeout: 300_000 },
  async (seed) => {
    const processes = [1, 2, 4][seed % 3] ?? 2;
    const { broken, trace, completed, refused } = await runSimulation({
      sourceRoot: REPOSITORY_ROOT,
      seed,
      steps: STEPS,
      processes,
      customers: 4,
      disturbances: EVERYTHING,
    });
    process.stdout.write(
      `seed ${seed}, ${processes} processes: ${STEPS} requests, ${completed} complete, ${trace.length} disturbances, refused ${JSON.stringify(refused)}\n`,
    );
    expect(broken, trace.slice(-60).join('\n')).toEqual([]);
  },
);
