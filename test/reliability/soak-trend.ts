export interface Trend {
  readonly isFlat: boolean;
  /** The fitted line in words. */
  readonly text: string;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** How much a figure may rise over a run and still count as flat: a share of its mean, or so much where that is less. */
export interface TrendBound {
  readonly share: number;
  readonly least: number;
}

/** Fits a line through the points (least squares) and judges its rise. */
export function judgeTrend(name: string, points: readonly Point[], { share, least }: TrendBound): Trend {
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(points.map((point) => point.x)), mean(points.map((point) => point.y))];
  const spread = points.reduce((sum, point) => sum + (point.x - x) ** 2, 0);
  const slope = points.reduce((sum, point) => sum + (point.x - x) * (point.y - y), 0) / spread;
  const width = (points.at(-1)?.x ?? 0) - (points[0]?.x ?? 0);
  const rise = slope * width;
  const bound = Math.max(least, y * share);
  return {
    isFlat: rise <= bound,
    text: `${name}: mean ${y.toFixed(2)}, line rises by ${rise.toFixed(2)} in ${width.toFixed(1)} minutes, allowed ${bound.toFixed(2)}`,
  };
}
