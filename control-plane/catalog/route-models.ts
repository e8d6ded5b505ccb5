import { and, eq, inArray, notInArray, sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { models, routes, upstreams } from '#db/schema/catalog.ts';
import { checkInteger, checkText } from '../input-rules.ts';
import { mintId } from '../mint-id.ts';
import { type UserError, userError } from '../user-error.ts';
import { endpointsOf, VENDORS } from './vendors.ts';

export const MAX_ROUTES_PER_UPSTREAM = 1_000;
const MAX_PROVIDER_MODEL_LENGTH = 256;
const MAX_WEIGHT = 1_000;
const MAX_PRIORITY = 1_000;

export interface RouteInput {
  readonly model: string;
  /** The name that the provider knows; the model's own when left out. */
  readonly providerModel?: string | null | undefined;
  readonly weight?: number | null | undefined;
  readonly priority?: number | null | undefined;
}

/** The routes to every model of a vendor under the names that the vendor's own API knows. */
export async function routesToVendor(tx: Transaction, vendor: string): Promise<RouteInput[]> {
  const rows = await tx.select({ model: models.id }).from(models).where(eq(models.vendor, vendor));
  return rows;
}

/** Routes a new model to the upstreams that the environment gives its vendor, as a start of the installation would. */
export async function routeToEnvironmentUpstreams(
  tx: Transaction,
  model: { readonly id: string; readonly vendor: string; readonly providerModel: string },
): Promise<void> {
  const rows = await tx
    .select({ id: upstreams.id, name: upstreams.name })
    .from(upstreams)
    .where(and(eq(upstreams.vendor, model.vendor), eq(upstreams.source, 'environment')));
  const vendor = VENDORS.find((each) => each.code === model.vendor);
  if (rows.length === 0 || !vendor) return;
  const priorityOf = new Map(endpointsOf(vendor).map((endpoint) => [endpoint.name, endpoint.priority]));
  await tx.insert(routes).values(
    rows.map((upstream) => ({
      id: mintId(),
      modelId: model.id,
      upstreamId: upstream.id,
      providerModel: model.providerModel,
      priority: priorityOf.get(upstream.name) ?? 0,
    })),
  );
}

/**
 * Makes the routes of an upstream exactly these; routes that stay keep their ids. Returns what is wrong with them, and
 * has then written nothing.
 */
export async function replaceRoutes(
  tx: Transaction,
  upstreamId: string,
  wanted: readonly RouteInput[],
): Promise<UserError[]> {
  const known = await providerNamesOf(tx, wanted);
  const errors = checkRoutes(wanted, known);
  if (errors.length > 0) return errors;
  const modelIds = wanted.map((route) => route.model);
  await tx
    .delete(routes)
    .where(
      and(
        eq(routes.upstreamId, upstreamId),
        modelIds.length === 0 ? undefined : notInArray(routes.modelId, modelIds),
      ),
    );
  if (wanted.length > 0)
    await tx
      .insert(routes)
      .values(
        wanted.map(({ model, providerModel, weight, priority }) => ({
          id: mintId(),
          modelId: model,
          upstreamId,
          providerModel: providerModel ?? known.get(model) ?? model,
          weight: weight ?? 1,
          priority: priority ?? 0,
        })),
      )
      .onConflictDoUpdate({
        target: [routes.modelId, routes.upstreamId],
        set: {
          providerModel: sql`excluded.provider_model`,
          weight: sql`excluded.weight`,
          priority: sql`excluded.priority`,
        },
      });
  return [];
}

/** Model id → the name that the vendor's own API knows it by, for those that exist. */
async function providerNamesOf(
  tx: Transaction,
  wanted: readonly RouteInput[],
): Promise<ReadonlyMap<string, string>> {
  if (wanted.length === 0) return new Map();
  const rows = await tx
    .select({ id: models.id, providerModel: models.providerModel })
    .from(models)
    .where(
      inArray(
        models.id,
        wanted.map((route) => route.model),
      ),
    );
  return new Map(rows.map((row) => [row.id, row.providerModel]));
}

function checkRoutes(wanted: readonly RouteInput[], known: ReadonlyMap<string, string>): UserError[] {
  const seen = new Set<string>();
  const errors = wanted.flatMap((route, index) => {
    const path = ['routes', String(index)];
    const found: UserError[] = [
      ...checkInteger(route.weight ?? 1, { min: 1, max: MAX_WEIGHT }, ...path, 'weight'),
      ...checkInteger(route.priority ?? 0, { min: 0, max: MAX_PRIORITY }, ...path, 'priority'),
      ...(route.providerModel == null
        ? []
        : checkText(route.providerModel, "A provider's model name", MAX_PROVIDER_MODEL_LENGTH, [
            ...path,
            'providerModel',
          ])),
    ];
    if (!known.has(route.model))
      found.push(userError('NOT_FOUND', 'The catalog has no model with this id.', ...path, 'model'));
    if (seen.has(route.model))
      found.push(userError('INVALID_INPUT', 'A model has one route per upstream.', ...path, 'model'));
    seen.add(route.model);
    return found;
  });
  if (wanted.length > MAX_ROUTES_PER_UPSTREAM)
    errors.push(userError('INVALID_INPUT', `At most ${MAX_ROUTES_PER_UPSTREAM} routes.`, 'routes'));
  return errors;
}
