import { estimatedInputTokens, estimatedTextTokens } from '#data-plane/admission/worst-case-cost.ts';
import type { WatchedRequest } from '#data-plane/dialects/client-dialect.ts';
import type { CompiledModel } from '#data-plane/snapshot/compiled-snapshot.ts';
import type { Clock } from '#shared/clock.ts';
import type { Dialect } from '#shared/usage-record.ts';
import { likelyTokens, sumsOf } from './factor-fit.ts';
import { imageTokens } from './image-tokens.ts';
import { PromptMeasurer } from './prompt-measurer.ts';
import type { TokenFactors } from './shared-factors.ts';

/** A request from which can be learned how its model counts, kept until its provider's counts are known. */
export interface CountSample {
  readonly family: string;
  readonly dialect: Dialect;
  readonly body: Buffer;
}

/** Counts prompts for which no provider does, and learns from those that were billed. */
export interface TokenCounter {
  /** The sample that this request makes, if one is wanted now: most requests cost one look into a map. */
  sample(
    dialect: Dialect,
    model: CompiledModel,
    request: WatchedRequest,
    body: Buffer,
  ): CountSample | undefined;
  /** Learns that the sample's prompt came to so many tokens at its provider. */
  learn(sample: CountSample, promptTokens: number): void;
  /** A fair guess at the tokens of a request's prompt, whatever is away. */
  estimate(dialect: Dialect, model: CompiledModel, request: WatchedRequest, body: Buffer): Promise<number>;
  close(): Promise<void>;
}

export interface LearningCounterOptions {
  readonly factors: TokenFactors;
  readonly clock: Clock;
  /** How long the counting thread waits for more before it ends. */
  readonly idleMs?: number;
}

const IDLE_MS = 10_000;
/** While fewer requests of a family are known, each one teaches; later one in a while, in case the models change. */
const ENOUGH_REQUESTS = 64;
const MOST_SAMPLES = 2 * ENOUGH_REQUESTS;
const REFRESH_INTERVAL_MS = 600_000;
const LARGEST_SAMPLE_BYTES = 128 * 1024;
const MAX_FAMILIES = 1_000;
/** Base64 characters of a PDF that make a token, about: 75 kB a page, 1,500 tokens. */
const DOCUMENT_CHARACTERS_PER_TOKEN = 66;

/** Counts in a thread by `o200k_base`, and fits that to each vendor's own way of counting. */
export class LearningCounter implements TokenCounter {
  readonly #factors: TokenFactors;
  readonly #clock: Clock;
  readonly #measurer: PromptMeasurer;
  /** Samples taken here, by family: some teach nothing, and nobody may be asked for ever. */
  readonly #taken = new Map<string, number>();
  /** When a family that is known well enough teaches again, monotonic ms. */
  readonly #nextSampleMs = new Map<string, number>();

  constructor({ factors, clock, idleMs = IDLE_MS }: LearningCounterOptions) {
    this.#factors = factors;
    this.#clock = clock;
    this.#measurer = new PromptMeasurer(idleMs);
  }

  sample(
    dialect: Dialect,
    model: CompiledModel,
    request: WatchedRequest,
    body: Buffer,
  ): CountSample | undefined {
    const family = familyOf(model);
    const { images, videos, audioBytes, fileReferences } = request.prompt;
    const isTextOnly = images + videos + audioBytes + fileReferences === 0;
    if (!isTextOnly || body.length > LARGEST_SAMPLE_BYTES || !this.#isWanted(family)) return undefined;
    return { family, dialect, body };
  }

  learn({ family, dialect, body }: CountSample, promptTokens: number): void {
    this.#measurer.measure(dialect, body).then(
      (measure) => {
        if (measure === undefined || measure.documentCharacters > 0 || measure.images.length > 0) return;
        this.#factors.add(family, sumsOf(measure.textTokens, promptTokens));
      },
      () => undefined,
    );
  }

  async estimate(
    dialect: Dialect,
    model: CompiledModel,
    request: WatchedRequest,
    body: Buffer,
  ): Promise<number> {
    const [measure, sums] = await Promise.all([
      this.#measurer.measure(dialect, body),
      this.#factors.read(familyOf(model)),
    ]);
    if (measure === undefined)
      return likelyTokens(sums, estimatedTextTokens(request.prompt.textBytes)) + mediaTokens(request, model);
    const pictures = measure.images.reduce(
      (sum, size) => sum + imageTokens(model.config.vendor, size ?? undefined),
      0,
    );
    const documents = Math.ceil(measure.documentCharacters / DOCUMENT_CHARACTERS_PER_TOKEN);
    const withoutImages = { ...request, prompt: { ...request.prompt, images: 0 } };
    return likelyTokens(sums, measure.textTokens) + pictures + documents + mediaTokens(withoutImages, model);
  }

  async close(): Promise<void> {
    this.#factors.close();
    await this.#measurer.close();
  }

  #isWanted(family: string): boolean {
    const taken = this.#taken.get(family) ?? 0;
    if (taken < MOST_SAMPLES && this.#factors.requestsKnown(family) < ENOUGH_REQUESTS) {
      if (this.#taken.size >= MAX_FAMILIES) this.#taken.clear();
      this.#taken.set(family, taken + 1);
      return true;
    }
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < (this.#nextSampleMs.get(family) ?? 0)) return false;
    if (this.#nextSampleMs.size >= MAX_FAMILIES) this.#nextSampleMs.clear();
    this.#nextSampleMs.set(family, nowMs + REFRESH_INTERVAL_MS);
    return true;
  }
}

/** For rehearsals: learns nothing. */
export const NO_COUNTER: TokenCounter = {
  sample: () => undefined,
  learn: () => undefined,
  estimate: async (_, model, request) => estimatedInputTokens(request.prompt, model.config),
  close: async () => undefined,
};

/** Models of one vendor share a tokenizer, or nearly so. */
function familyOf(model: CompiledModel): string {
  return model.config.vendor;
}

function mediaTokens({ prompt }: WatchedRequest, model: CompiledModel): number {
  return estimatedInputTokens({ ...prompt, textBytes: 0 }, model.config);
}
