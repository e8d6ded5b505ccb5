import { type PromptSize, TYPICAL_BYTES_PER_TOKEN } from '#data-plane/dialects/dialect.ts';
import { type NanoUsd, roundPicoToNano } from '#shared/money.ts';
import type { PriceVersion } from '#shared/price.ts';
import type { SnapshotModel } from '#shared/snapshot.ts';

/** Hardly any tokenizer makes more than one token out of two bytes of JSON text. */
const WORST_BYTES_PER_TOKEN = 2;
/** Held for the output where the client states no limit. */
const UNSTATED_OUTPUT_TOKENS = 4_096;

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
}

/**
 * The most that a request can plausibly cost, nano-USD: the dearest tier that its prompt can reach, the dearest class for
 * each token. One-hour cache writes count where `mayWriteHourCache`: only some provider protocols report them.
 */
export function worstCaseCost(
  request: RequestSize,
  model: SnapshotModel,
  price: PriceVersion,
  mayWriteHourCache: boolean,
): NanoUsd {
  const input = worstInputTokens(request.prompt, model);
  const output = request.choiceCount * outputCeiling(request, model);
  let inputPrice = 0;
  let outputPrice = 0;
  // Which service tier the provider will serve is its own to say.
  for (const tier of [...price.tiers, ...(price.serviceTiers ?? []).flatMap(({ tiers }) => tiers)]) {
    if (tier.aboveTokens > 0 && input <= tier.aboveTokens) continue;
    inputPrice = Math.max(inputPrice, tier.input, tier.cacheRead, tier.cacheWrite5m);
    if (mayWriteHourCache) inputPrice = Math.max(inputPrice, tier.cacheWrite1h);
    outputPrice = Math.max(outputPrice, tier.output);
  }
  const pico = BigInt(input) * BigInt(inputPrice) + BigInt(output) * BigInt(outputPrice);
  return roundPicoToNano(pico) + BigInt(price.perRequestNano);
}

/** Tokens that a request takes from its key's rate limit until its real counts are known. */
export function reservedTokens(request: RequestSize, model: SnapshotModel): number {
  const output = Math.min(outputCeiling(request, model), UNSTATED_OUTPUT_TOKENS);
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

function outputCeiling(request: RequestSize, model: SnapshotModel): number {
  const modelLimit = model.maxOutputTokens ?? Number.MAX_SAFE_INTEGER;
  return Math.min(request.maxOutputTokens ?? UNSTATED_OUTPUT_TOKENS, modelLimit);
}
