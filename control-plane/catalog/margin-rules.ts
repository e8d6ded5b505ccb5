import { and, desc, eq, gt, inArray, lte, sql } from 'drizzle-orm';
import type { Database, Transaction } from '#db/client.ts';
import { marginRules, models, providerCosts } from '#db/schema/catalog.ts';
import { systemClock } from '#shared/clock.ts';
import { mintId } from '../mint-id.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { lockPrices, type PriceChange, reprice } from './reprice.ts';

export type MarginRule = typeof marginRules.$inferSelect;

/** Tenfold prices; more is a slip. */
export const MAX_MARGIN_BASIS_POINTS = 90_000;

/** What a model's costs are raised by at a time: by the rule of the model, else of its vendor, else the general one; else 0. */
export async function marginsAt(
  tx: Transaction,
  at: Date,
): Promise<(modelId: string, vendor: string) => number> {
  const rules = await tx
    .selectDistinctOn([marginRules.scope])
    .from(marginRules)
    .where(lte(marginRules.effectiveAt, at))
    .orderBy(marginRules.scope, desc(marginRules.effectiveAt));
  const byScope = new Map(rules.map((rule) => [rule.scope, rule.basisPoints]));
  return (modelId, vendor) =>
    byScope.get(`model:${modelId}`) ?? byScope.get(`vendor:${vendor}`) ?? byScope.get('all') ?? 0;
}

/** The rules that are in force and those that will be, by scope and time. */
export async function listMarginRules(database: Database): Promise<MarginRule[]> {
  const newest = sql`(select max(newer.effective_at) from margin_rules as newer
    where newer.scope = ${marginRules.scope} and newer.effective_at <= now())`;
  return await database
    .select()
    .from(marginRules)
    .where(sql`${marginRules.effectiveAt} >= coalesce(${newest}, '-infinity')`)
    .orderBy(marginRules.scope, marginRules.effectiveAt);
}

/**
 * Sets a margin from a time on and gives every model whose cost is known and which it concerns a new price version then.
 * Prices that were set by hand, of models without a cost, stay. `dryRun` only tells what would change.
 */
export async function setMargin(
  tx: Transaction,
  input: {
    readonly vendor: string | null;
    readonly model: string | null;
    readonly basisPoints: number;
    readonly effectiveAt: Date | null;
    readonly dryRun: boolean;
  },
): Promise<Outcome<{ changes: PriceChange[]; applied: boolean }>> {
  const { vendor, model, basisPoints, dryRun } = input;
  const now = new Date(systemClock.nowMs());
  const at = input.effectiveAt ?? now;
  if (vendor !== null && model !== null)
    return refused([
      userError('INVALID_INPUT', 'A rule is for a vendor or for a model, not for both.', 'vendor'),
    ]);
  if (basisPoints < 0 || basisPoints > MAX_MARGIN_BASIS_POINTS)
    return refused([userError('INVALID_INPUT', `From 0 to ${MAX_MARGIN_BASIS_POINTS}.`, 'basisPoints')]);
  if (at < now)
    return refused([userError('INVALID_INPUT', 'A margin cannot take effect in the past.', 'effectiveAt')]);
  await lockPrices(tx);
  const concerned = await tx
    .select({ id: models.id })
    .from(models)
    .where(model === null ? (vendor === null ? undefined : eq(models.vendor, vendor)) : eq(models.id, model));
  if (concerned.length === 0)
    return refused([
      userError('NOT_FOUND', 'The catalog has nothing of that.', model === null ? 'vendor' : 'model'),
    ]);
  const ids = concerned.map(({ id }) => id);
  const [later] = await tx
    .select({ modelId: providerCosts.modelId })
    .from(providerCosts)
    .where(and(inArray(providerCosts.modelId, ids), gt(providerCosts.effectiveAt, at)))
    .limit(1);
  if (later) {
    const message = `A price list that takes effect later has priced ${later.modelId} already; let the margin take effect after it.`;
    return refused([userError('PRICE_TIME_TAKEN', message, 'effectiveAt')]);
  }
  const scope = model === null ? (vendor === null ? 'all' : `vendor:${vendor}`) : `model:${model}`;
  const [added] = await tx
    .insert(marginRules)
    .values({ id: mintId(), scope, basisPoints, effectiveAt: at })
    .onConflictDoNothing()
    .returning({ id: marginRules.id });
  if (!added)
    return refused([
      userError('PRICE_TIME_TAKEN', 'A margin for the same takes effect then already.', 'effectiveAt'),
    ]);
  const costs = await tx
    .selectDistinctOn([providerCosts.modelId], { model: providerCosts.modelId, tiers: providerCosts.tiers })
    .from(providerCosts)
    .where(and(inArray(providerCosts.modelId, ids), lte(providerCosts.effectiveAt, at)))
    .orderBy(providerCosts.modelId, desc(providerCosts.effectiveAt));
  const changes = await reprice(tx, costs, at, await marginsAt(tx, at), dryRun);
  if (!changes.ok) return changes;
  if (dryRun) await tx.delete(marginRules).where(eq(marginRules.id, added.id));
  return succeeded({ changes: changes.value, applied: !dryRun });
}
