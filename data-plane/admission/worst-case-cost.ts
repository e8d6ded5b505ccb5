import { type PromptSize, TYPICAL_BYTES_PER_TOKEN } from '#data-plane/dialects/dialect.ts';
import { type NanoUsd, roundPicoToNano } from '#shared/money.ts';
import type { PriceTier, PriceVersion } from '#shared/price.ts';
import type { SnapshotModel } from '#shared/snapshot.ts';

/** Hardly any tokenizer makes more than one token out of two bytes of JSON text. */
const WORST_BYTES_PER_TOKEN = 2;
/** Held for the output where the client states no limit, and by how much such a hold grows. */
const UNSTATED_OUTPUT_TOKENS = 4_096;
/** For a model that states neither an output limit nor a context length. */
const UNKNOWN_OUTPUT_LIMIT = 131_072;

/** Tokens held per medium, whose size in tokens its bytes do not tell. */
const WORST_MEDIA_TOKENS = {
  image: 10_000,
  /** An hour, at the densest common sampling. */
  video: 1_000_000,
  /** Base64 bytes of speech at the lowest common bit rate that make one token. */
  audioBytesPerToken: 40,
  fileReference: 50_000,
} as const;

/** The usual medium comes to an eighth of the worst one. */
const TYPICAL_MEDIA_DIVISOR = 8;

/** What a request asks for, as far as its cost depends on it. */
export interface RequestSize {
  readonly prompt: PromptSize;
  readonly maxOutputTokens: number | undefined;
  readonly choiceCount: number;
  readonly stream: boolean;
}

/** What is held for a request. */
export interface HeldCost {
  /** The most that it can plausibly cost, nano-USD; of a stream without a stated limit only its first step. */
  readonly worstCaseNano: NanoUsd;
  /** What will do where the worst case of an answer that can be neither limited nor stopped is not free. */
  readonly leastNano: NanoUsd | undefined;
  /** Of a stream without a stated limit: how its hold grows. */
  readonly steps: OutputSteps | undefined;
}

export interface OutputSteps {
  /** Output tokens that the hold covers at first. */
  readonly firstTokens: number;
  /** Output tokens after which the model ends by itself. */
  readonly ceilingTokens: number;
  readonly stepTokens: number;
  readonly stepNano: NanoUsd;
}

/**
 * What to hold for a request: the dearest tier that its prompt can reach, the dearest class for each token. One-hour cache
 * writes count where `mayWriteHourCache`: only some provider protocols report them.
 */
export function holdFor(
  request: RequestSize,
  model: SnapshotModel,
  price: PriceVersion,
  mayWriteHourCache: boolean,
): HeldCost {
  const { choiceCount, maxOutputTokens, stream } = request;
  const prices = dearestPrices(request, model, price, mayWriteHourCache);
  const ceilingTokens = choiceCount * outputLimit(model);
  const costOfOutput = (tokens: number): NanoUsd =>
    roundPicoToNano(prices.inputPico + BigInt(tokens) * BigInt(prices.output)) + BigInt(price.perRequestNano);
  if (maxOutputTokens !== undefined) {
    const tokens = Math.min(choiceCount * maxOutputTokens, ceilingTokens);
    return { worstCaseNano: costOfOutput(tokens), leastNano: undefined, steps: undefined };
  }
  const firstTokens = Math.min(choiceCount * UNSTATED_OUTPUT_TOKENS, ceilingTokens);
  const first = costOfOutput(firstTokens);
  const isWhole = firstTokens === ceilingTokens;
  if (isWhole) return { worstCaseNano: first, leastNano: undefined, steps: undefined };
  // Thoughts that a provider counts but does not send cannot be watched growing: such a stream is held for like a whole answer.
  const isWatchable = stream && model.capabilities.reasoning === undefined;
  if (!isWatchable) return { worstCaseNano: costOfOutput(ceilingTokens), leastNano: first, steps: undefined };
  const stepTokens = UNSTATED_OUTPUT_TOKENS;
  const stepNano = roundPicoToNano(BigInt(stepTokens) * BigInt(prices.output));
  return {
    worstCaseNano: first,
    leastNano: undefined,
    steps: { firstTokens, ceilingTokens, stepTokens, stepNano },
  };
}

function dearestPrices(
  { prompt }: RequestSize,
  model: SnapshotModel,
  price: PriceVersion,
  mayWriteHourCache: boolean,
): { readonly inputPico: bigint; readonly output: number } {
  const input = worstInputTokens(prompt, model);
  let inputPrice = 0;
  let output = 0;
  const weigh = (tiers: readonly PriceTier[]): void => {
    for (const tier of tiers) {
      if (tier.aboveTokens > 0 && input <= tier.aboveTokens) continue;
      inputPrice = Math.max(inputPrice, tier.input, tier.cacheRead, tier.cacheWrite5m);
      if (mayWriteHourCache) inputPrice = Math.max(inputPrice, tier.cacheWrite1h);
      output = Math.max(output, tier.output);
    }
  };
  weigh(price.tiers);
  // Which service tier the provider will serve is its own to say.
  if (price.serviceTiers !== undefined) for (const { tiers } of price.serviceTiers) weigh(tiers);
  return { inputPico: BigInt(input) * BigInt(inputPrice), output };
}

/** The most output tokens that a text of `bytes` can come to. */
export function worstTextTokens(bytes: number): number {
  return Math.ceil(bytes / WORST_BYTES_PER_TOKEN);
}

/** Tokens that a request takes from its key's rate limit until its real counts are known. */
export function reservedTokens(request: RequestSize, model: SnapshotModel): number {
  const stated = request.maxOutputTokens ?? UNSTATED_OUTPUT_TOKENS;
  const output = Math.min(stated, UNSTATED_OUTPUT_TOKENS, outputLimit(model));
  return estimatedInputTokens(request.prompt, model) + request.choiceCount * output;
}

/** A fair guess at the prompt's tokens, for billing where a provider sends no counts. */
export function estimatedInputTokens(prompt: PromptSize, model: SnapshotModel): number {
  return Math.min(
    model.contextTokens ?? Number.MAX_SAFE_INTEGER,
    estimatedTextTokens(prompt.textBytes) + Math.ceil(mediaTokens(prompt) / TYPICAL_MEDIA_DIVISOR),
  );
}

/** A fair guess at the tokens of `bytes` of text. */
export function estimatedTextTokens(bytes: number): number {
  return Math.ceil(bytes / TYPICAL_BYTES_PER_TOKEN);
}

function worstInputTokens(prompt: PromptSize, model: SnapshotModel): number {
  return Math.min(
    model.contextTokens ?? Number.MAX_SAFE_INTEGER,
    Math.ceil(prompt.textBytes / WORST_BYTES_PER_TOKEN) + mediaTokens(prompt),
  );
}

function mediaTokens(prompt: PromptSize): number {
  return (
    prompt.images * WORST_MEDIA_TOKENS.image +
    prompt.videos * WORST_MEDIA_TOKENS.video +
    Math.ceil(prompt.audioBytes / WORST_MEDIA_TOKENS.audioBytesPerToken) +
    prompt.fileReferences * WORST_MEDIA_TOKENS.fileReference
  );
}

/** Output tokens of one choice at which the model ends by itself. */
function outputLimit(model: SnapshotModel): number {
  return model.maxOutputTokens ?? model.contextTokens ?? UNKNOWN_OUTPUT_LIMIT;
}
