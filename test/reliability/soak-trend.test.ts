import { describe, expect, it } from 'vitest';
import { judgeTrend } from './soak-trend.ts';

const bound = { share: 0.1, least: 1 };
const line = (rise: number) =>
  Array.from({ length: 61 }, (_, index) => ({ x: index / 2, y: 100 + (rise * index) / 60 + (index % 2) }));

describe('the trend of a soak run', () => {
  it.each([0, 5, -50])('is flat for a rise by %d of 100', (rise) => {
    expect(judgeTrend('memory', line(rise), bound).isFlat).toBe(true);
  });

  it('is not flat for a rise by a fifth, and says so in figures', () => {
    const trend = judgeTrend('memory', line(20), bound);
    expect(trend.isFlat).toBe(false);
    expect(trend.text).toMatch(/^memory: mean 110\.\d\d, line rises by (19|20)\.\d\d in 30\.0 minutes/);
  });

  it('allows a small figure its least rise', () => {
    const points = [0, 1, 2].map((x) => ({ x, y: 0.1 + x / 4 }));
    expect(judgeTrend('delay', points, bound).isFlat).toBe(true);
  });
});
