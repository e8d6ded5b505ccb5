import { eq } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { models, priceVersions } from '#db/schema/catalog.ts';
import { systemClock } from '#shared/clock.ts';
import { formatUsd, NANO_PER_USD, parseUsd } from '#shared/money.ts';
import type { PublishedPrice, PublishedPriceTier, ToolPrices } from '#shared/price.ts';
import type { ServerTool } from '#shared/token-usage.ts';
import { mintId } from '../mint-id.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { type Outcome, refused, succeeded, type UserError, userError } from '../user-error.ts';

export const MAX_TIERS = 10;
const MAX_USD_PER_MILLION = 100_000n;
const MAX_PER_REQUEST_NANO = 1_000n * NANO_PER_USD;
const MAX_PER_TOOL_CALL_NANO = 1_000n * NANO_PER_USD;
const NANO_PER_MICRO = 1_000n;
export const MAX_SERVICE_TIERS = 8;
/** Names under which providers report the price that everybody pays; they cannot have another. */
const STANDARD_SERVICE_TIERS = new Set(['standard', 'default', 'auto', 'on_demand', 'standard_only']);
const SERVICE_TIER_NAME = /^[a-z][a-z0-9_-]{0,39}$/;

/** Amounts are decimal USD per 1,000,000 tokens, exact to the micro-dollar. */
export interface PriceTierInput {
  readonly aboveTokens: number;
  readonly inputUsdPerMillion: string;
  readonly outputUsdPerMillion: string;
  readonly cacheReadUsdPerMillion: string | null;
  readonly cacheWriteUsdPerMillion: string | null;
  readonly cacheWriteHourUsdPerMillion: string | null;
}

/**
 * Adds a price version that requests take which are admitted from `effectiveAt` on; `null` means now. Earlier versions
 * stay as they are, and so does what they have billed.
 */
export async function setPrice(
  tx: Transaction,
  input: {
    model: string;
    effectiveAt: Date | null;
    tiers: readonly PriceTierInput[];
    serviceTiers: readonly { name: string; tiers: readonly PriceTierInput[] }[];
    perRequestUsd: string | null;
    serverTools: readonly { tool: ServerTool; usdPerCall: string }[];
  },
): Promise<Outcome<{ priceId: string; model: string }>> {
  const errors: UserError[] = [];
  const tiers = readTiers(input.tiers, ['tiers'], errors);
  const serviceTiers = readServiceTiers(input.serviceTiers, errors);
  const perToolCallNano = readToolPrices(input.serverTools, errors);
  const perRequestNano = parseUsd(input.perRequestUsd ?? '0');
  if (perRequestNano === undefined || perRequestNano < 0n || perRequestNano > MAX_PER_REQUEST_NANO)
    errors.push(
      userError(
        'INVALID_INPUT',
        `Decimal USD from 0 to ${formatUsd(MAX_PER_REQUEST_NANO)}.`,
        'perRequestUsd',
      ),
    );
  const now = new Date(systemClock.nowMs());
  if (input.effectiveAt !== null && input.effectiveAt < now)
    errors.push(userError('INVALID_INPUT', 'A price cannot take effect in the past.', 'effectiveAt'));
  if (errors.length > 0 || perRequestNano === undefined) return refused(errors);
  const [model] = await tx.select({ id: models.id }).from(models).where(eq(models.id, input.model));
  if (!model) return refused([userError('NOT_FOUND', 'The catalog has no model with this id.', 'model')]);
  const [created] = await tx
    .insert(priceVersions)
    .values({
      id: mintId(),
      modelId: model.id,
      effectiveAt: input.effectiveAt ?? now,
      tiers,
      serviceTiers,
      perRequestNano,
      perToolCallNano,
    })
    .onConflictDoNothing({ target: [priceVersions.modelId, priceVersions.effectiveAt] })
    .returning({ id: priceVersions.id });
  if (!created)
    return refused([
      userError('PRICE_TIME_TAKEN', 'The model already has a price that takes effect then.', 'effectiveAt'),
    ]);
  await recordConfigChange(tx, { entity: 'catalog' });
  return succeeded({ priceId: created.id, model: model.id });
}

/** Reads the tiers of a price and says what is wrong with them. */
export function readTiers(
  tiers: readonly PriceTierInput[],
  path: string[],
  errors: UserError[],
): PublishedPriceTier[] {
  const read = tiers.map((tier, index) => readTier(tier, [...path, String(index)], errors));
  errors.push(...checkThresholds(read, path));
  return read;
}

function readServiceTiers(
  serviceTiers: readonly { name: string; tiers: readonly PriceTierInput[] }[],
  errors: UserError[],
): PublishedPrice['serviceTiers'] {
  const names = new Set<string>();
  if (serviceTiers.length > MAX_SERVICE_TIERS)
    errors.push(userError('INVALID_INPUT', `At most ${MAX_SERVICE_TIERS} service tiers.`, 'serviceTiers'));
  return serviceTiers.map(({ name, tiers }, index) => {
    const path = ['serviceTiers', String(index)];
    if (!SERVICE_TIER_NAME.test(name) || STANDARD_SERVICE_TIERS.has(name) || names.has(name))
      errors.push(
        userError(
          'INVALID_INPUT',
          'A service tier is named once, in lower case, such as `priority`; the standard one takes the price itself.',
          ...path,
          'name',
        ),
      );
    names.add(name);
    return { name, tiers: readTiers(tiers, [...path, 'tiers'], errors) };
  });
}

function readToolPrices(
  prices: readonly { tool: ServerTool; usdPerCall: string }[],
  errors: UserError[],
): ToolPrices {
  const read: Partial<Record<ServerTool, string>> = {};
  for (const [index, { tool, usdPerCall }] of prices.entries()) {
    const nano = parseUsd(usdPerCall);
    const path = ['serverTools', String(index)];
    if (nano === undefined || nano < 0n || nano > MAX_PER_TOOL_CALL_NANO)
      errors.push(
        userError(
          'INVALID_INPUT',
          `Decimal USD per call from 0 to ${formatUsd(MAX_PER_TOOL_CALL_NANO)}.`,
          ...path,
          'usdPerCall',
        ),
      );
    else if (read[tool] !== undefined)
      errors.push(userError('INVALID_INPUT', 'A tool has one price.', ...path, 'tool'));
    else read[tool] = nano.toString();
  }
  return read;
}

function readTier(tier: PriceTierInput, path: string[], errors: UserError[]): PublishedPriceTier {
  const micro = (field: keyof PriceTierInput): number | null => {
    const amount = tier[field];
    if (amount === null) return null;
    const nano = parseUsd(String(amount));
    if (
      nano !== undefined &&
      nano >= 0n &&
      nano <= MAX_USD_PER_MILLION * NANO_PER_USD &&
      nano % NANO_PER_MICRO === 0n
    )
      return Number(nano / NANO_PER_MICRO);
    const rule = `Decimal USD per 1,000,000 tokens from 0 to ${MAX_USD_PER_MILLION}, with at most 6 decimals.`;
    errors.push(userError('INVALID_INPUT', rule, ...path, field));
    return null;
  };
  return {
    aboveTokens: tier.aboveTokens,
    inputMicroPerM: micro('inputUsdPerMillion') ?? 0,
    outputMicroPerM: micro('outputUsdPerMillion') ?? 0,
    cacheReadMicroPerM: micro('cacheReadUsdPerMillion'),
    cacheWrite5mMicroPerM: micro('cacheWriteUsdPerMillion'),
    cacheWrite1hMicroPerM: micro('cacheWriteHourUsdPerMillion'),
  };
}

function checkThresholds(tiers: readonly PublishedPriceTier[], path: string[]): UserError[] {
  const thresholds = tiers.map((tier) => tier.aboveTokens);
  const rising = thresholds.every(
    (threshold, index) => index === 0 || threshold > (thresholds[index - 1] ?? 0),
  );
  if (thresholds.length <= MAX_TIERS && thresholds[0] === 0 && rising) return [];
  const rule = `1 to ${MAX_TIERS} tiers; the first is above 0 tokens, the others above rising numbers of them.`;
  return [userError('INVALID_INPUT', rule, ...path)];
}
