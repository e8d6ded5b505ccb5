import type { ImageSize } from './image-size.ts';

/** How a vendor turns a picture into tokens, after its documentation. */
interface ImageRule {
  /** The picture is first scaled down until its longer side fits. */
  readonly longestSide: number;
  /** Side of the square that makes `tokensPerTile`. */
  readonly tileSide: number;
  readonly tokensPerTile: number;
  readonly baseTokens: number;
  /** The shorter side is scaled down to this as well. */
  readonly shortestSide?: number;
  readonly mostTokens: number;
}

const OPENAI: ImageRule = {
  longestSide: 2_048,
  shortestSide: 768,
  tileSide: 512,
  tokensPerTile: 170,
  baseTokens: 85,
  mostTokens: 1_445,
};
const ANTHROPIC: ImageRule = {
  longestSide: 1_568,
  tileSide: 27.386,
  tokensPerTile: 1,
  baseTokens: 0,
  mostTokens: 1_600,
};
const GEMINI: ImageRule = {
  longestSide: 3_072,
  tileSide: 768,
  tokensPerTile: 258,
  baseTokens: 0,
  mostTokens: 4_128,
};
const QWEN: ImageRule = {
  longestSide: 4_096,
  tileSide: 32,
  tokensPerTile: 1,
  baseTokens: 2,
  mostTokens: 2_560,
};
const MOONSHOT: ImageRule = {
  longestSide: 4_096,
  tileSide: 28,
  tokensPerTile: 1,
  baseTokens: 0,
  mostTokens: 4_096,
};

const RULES: ReadonlyMap<string, ImageRule> = new Map([
  ['openai', OPENAI],
  ['azure', OPENAI],
  ['anthropic', ANTHROPIC],
  ['gemini', GEMINI],
  ['qwen', QWEN],
  ['moonshot', MOONSHOT],
]);

/** What most pictures in prompts are about as large as; for those behind a URL. */
const UNKNOWN_SIZE: ImageSize = { width: 1_024, height: 1_024 };

/** A fair guess at the tokens of one picture at a vendor. */
export function imageTokens(vendor: string, size: ImageSize = UNKNOWN_SIZE): number {
  const rule = RULES.get(vendor.toLowerCase()) ?? ANTHROPIC;
  const { width, height } = fitted(size, rule);
  const tiles = Math.ceil(width / rule.tileSide) * Math.ceil(height / rule.tileSide);
  return Math.min(rule.mostTokens, rule.baseTokens + tiles * rule.tokensPerTile);
}

function fitted({ width, height }: ImageSize, rule: ImageRule): ImageSize {
  const byLong = Math.min(1, rule.longestSide / Math.max(width, height));
  const shorter = Math.min(width, height) * byLong;
  const byShort = rule.shortestSide === undefined ? 1 : Math.min(1, rule.shortestSide / shorter);
  return { width: width * byLong * byShort, height: height * byLong * byShort };
}
