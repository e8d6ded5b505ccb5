import { eq } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { models, priceVersions } from '#db/schema/catalog.ts';
import { systemClock } from '#shared/clock.ts';
import { formatUsd, NANO_PER_USD, parseUsd } from '#shared/money.ts';
import type { PublishedPriceTier } from '#shared/price.ts';
import { mintId } from '../mint-id.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { type Outcome, refused, succeeded, type UserError, userError } from '../user-error.ts';

export const MAX_TIERS = 10;
const MAX_USD_PER_MILLION = 100_000n;
const MAX_PER_REQUEST_NANO = 1_000n * NANO_PER_USD;
const NANO_PER_MICRO = 1_000n;

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
    perRequestUsd: string | null;
  },
): Promise<Outcome<{ priceId: string; model: string }>> {
  const errors: UserError[] = [];
  const tiers = input.tiers.map((tier, index) => readTier(tier, ['tiers', String(index)], errors));
  errors.push(...checkThresholds(tiers));
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
      perRequestNano,
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

function checkThresholds(tiers: readonly PublishedPriceTier[]): UserError[] {
  const thresholds = tiers.map((tier) => tier.aboveTokens);
  const rising = thresholds.every(
    (threshold, index) => index === 0 || threshold > (thresholds[index - 1] ?? 0),
  );
  if (thresholds.length <= MAX_TIERS && thresholds[0] === 0 && rising) return [];
  const rule = `1 to ${MAX_TIERS} tiers; the first is above 0 tokens, the others above rising numbers of them.`;
  return [userError('INVALID_INPUT', rule, 'tiers')];
}
