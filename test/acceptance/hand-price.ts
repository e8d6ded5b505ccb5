import { z } from 'zod';
import type { BookEntry } from '#test/fakes/mock-book.ts';

/**
 * What a request must cost, worked out from published figures alone and sharing no code with the product: whole numbers of
 * micro-USD per million tokens, summed exactly and rounded half up once.
 */
export interface PublishedTier {
  /** The tier applies to prompts longer than this. */
  readonly threshold: number;
  readonly input: bigint;
  readonly output: bigint;
  readonly cacheRead: bigint | null;
}

export interface TokenCounts {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
}

/** OpenAI counts cached tokens inside the prompt; the product bills them as a class of their own. */
export function countsOf(entry: BookEntry): TokenCounts {
  return {
    input: entry.promptTokens - entry.cachedTokens,
    output: entry.completionTokens,
    cacheRead: entry.cachedTokens,
  };
}

/** In nano-USD. */
export function handPrice(counts: TokenCounts, tiers: readonly PublishedTier[]): bigint {
  const prompt = counts.input + counts.cacheRead;
  const tier = tiers.findLast(({ threshold }) => threshold === 0 || prompt > threshold);
  if (!tier) throw new Error('No tier applies');
  const pico =
    BigInt(counts.input) * tier.input +
    BigInt(counts.output) * tier.output +
    BigInt(counts.cacheRead) * (tier.cacheRead ?? tier.input);
  return (pico + 500n) / 1000n;
}

const publicCatalog = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      pricing: z
        .object({
          tiers: z.array(
            z.object({
              threshold: z.int().nullable(),
              input_micro_per_1m: z.int(),
              output_micro_per_1m: z.int(),
              cache_read_micro_per_1m: z.int().nullish(),
            }),
          ),
        })
        .nullable(),
    }),
  ),
});

/** The prices of all models as `GET /api/models` publishes them. */
export async function publishedPrices(dataPlaneUrl: string): Promise<Map<string, PublishedTier[]>> {
  const catalog = publicCatalog.parse(await (await fetch(`${dataPlaneUrl}/api/models`)).json());
  return new Map(
    catalog.data.map(({ id, pricing }) => [
      id,
      (pricing?.tiers ?? [])
        .map((tier) => ({
          threshold: tier.threshold ?? 0,
          input: BigInt(tier.input_micro_per_1m),
          output: BigInt(tier.output_micro_per_1m),
          cacheRead: tier.cache_read_micro_per_1m == null ? null : BigInt(tier.cache_read_micro_per_1m),
        }))
        .sort((left, right) => left.threshold - right.threshold),
    ]),
  );
}
