import { describe, expect, it } from 'vitest';
import { abandonStreams, CELLS } from './abandoned-streams.ts';

const SEED = 4;
const OFFSETS = 1_000;
const CANCEL_MS = 100;

describe('a stream that its client leaves at each of 1,000 random bytes', () => {
  it.each(CELLS)(
    `is recorded once, charged by the rule, and cancelled within ${CANCEL_MS} ms: $client client, $provider provider`,
    async (cell) => {
      const report = await abandonStreams(cell, OFFSETS, SEED);
      process.stdout.write(
        `${cell.client} on ${cell.provider}: ${report.aborted} left, ${report.byProviderCounts} by the provider's counts, cancelled within ${report.slowestCancelMs.toFixed(1)} ms\n`,
      );
      expect(report.problems).toEqual([]);
      expect(report.aborted).toBeGreaterThan(OFFSETS / 5);
      expect(report.slowestCancelMs).toBeLessThan(CANCEL_MS);
    },
  );
});
