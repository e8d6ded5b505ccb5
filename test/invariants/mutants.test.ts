import { describe, expect, it } from 'vitest';
import { NOTHING, runSimulation, type SimulationPlan } from './run-simulation.ts';
import { type Mutant, plant } from './source-copy.ts';

const PLAN: Omit<SimulationPlan, 'sourceRoot' | 'disturbances'> = {
  seed: 7,
  steps: 250,
  processes: 2,
  customers: 3,
  quietTimeoutMs: 20_000,
};

async function brokenBy(
  mutant: Mutant,
  disturbances: Partial<SimulationPlan['disturbances']>,
): Promise<string> {
  const copy = plant(mutant);
  try {
    const { broken } = await runSimulation({
      ...PLAN,
      sourceRoot: copy.root,
      disturbances: { ...NOTHING, ...disturbances },
    });
    return broken.join('\n');
  } finally {
    copy.remove();
  }
}

describe('the simulation catches', { timeout: 180_000 }, () => {
  it('a settlement of the batch instead of the rows that were new', async () => {
    const mutant: Mutant = {
      file: 'control-plane/usage/insert-usage-rows.ts',
      replacements: [
        {
          shipped: 'return records.filter((record) => ids.delete(record.requestId));',
          planted: 'return records;',
        },
      ],
    };
    expect(await brokenBy(mutant, { recordTwice: 150 })).toMatch(/settlements differ/);
  });

  it('an ingest that advances past a gap', async () => {
    const mutant: Mutant = {
      file: 'control-plane/usage/ingest-usage.ts',
      replacements: [
        { shipped: 'if (batch.from > highWater + 1) return { ...unchanged, gap: true };', planted: '' },
        {
          shipped: '.slice(highWater + 1 - batch.from)',
          planted: '.slice(Math.max(0, highWater + 1 - batch.from))',
        },
      ],
    };
    expect(await brokenBy(mutant, { killWorker: 20, loseBatch: 80 })).toMatch(/is not billed/);
  });

  it('a process that does not declare its counters again after a Redis restart', async () => {
    const mutant: Mutant = {
      file: 'data-plane/admission/redis-pulse.ts',
      replacements: [
        { shipped: 'options.declareAll(runId).then(', planted: 'Promise.resolve().then(' },
        { shipped: 'await this.#options.declareAll(runId).catch(() => undefined);', planted: '' },
      ],
    };
    expect(await brokenBy(mutant, { restartRedis: 12 })).toMatch(/has not declared its counters again/);
  });
});
