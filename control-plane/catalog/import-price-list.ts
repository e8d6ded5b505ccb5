import type { Transaction } from '#db/client.ts';
import { providerCosts } from '#db/schema/catalog.ts';
import { systemClock } from '#shared/clock.ts';
import { mintId } from '../mint-id.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { marginsAt } from './margin-rules.ts';
import { type PriceListFormat, parsePriceList } from './parse-price-list.ts';
import { lockPrices, type PriceChange, reprice } from './reprice.ts';

/**
 * Takes in what providers charge from a time on (`null`: now) and sets the prices that follow with the margins of that time.
 * Models that the catalog does not know are named and left out. A dry run only tells what would change; importing a list
 * again changes nothing.
 */
export async function importPriceList(
  tx: Transaction,
  input: {
    readonly priceList: string;
    readonly format: PriceListFormat;
    readonly effectiveAt: Date | null;
    readonly dryRun: boolean;
  },
): Promise<Outcome<{ changes: PriceChange[]; applied: boolean }>> {
  const costs = parsePriceList(input.priceList, input.format);
  if (!costs.ok) return costs;
  const now = new Date(systemClock.nowMs());
  const at = input.effectiveAt ?? now;
  if (at < now)
    return refused([userError('INVALID_INPUT', 'A price cannot take effect in the past.', 'effectiveAt')]);
  await lockPrices(tx);
  const changes = await reprice(tx, costs.value, at, await marginsAt(tx, at), input.dryRun);
  if (!changes.ok) return changes;
  const known = changes.value.filter(({ action }) => action !== 'unknown_model');
  if (!input.dryRun && known.length > 0)
    await tx
      .insert(providerCosts)
      .values(
        known.map(({ model, cost }) => ({ id: mintId(), modelId: model, effectiveAt: at, tiers: [...cost] })),
      )
      .onConflictDoNothing();
  return succeeded({ changes: changes.value, applied: !input.dryRun });
}
