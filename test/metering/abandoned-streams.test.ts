import { describe, expect, it } from 'vitest';
import { abandonStreams, CELLS } from './abandoned-streams.ts';

const SEED = 20_261_121;

describe('a stream that its client leaves at a random byte', () => {
  it.each(CELLS)(
    'is recorded once, charged by the rule, and cancelled upstream: $client client, $provider provider',
    async (cell) => {
      const report = await abandonStreams(cell, 25, SEED);
      expect(report.problems).toEqual([]);
      expect(report.aborted).toBeGreaterThan(5);
    },
  );
});
