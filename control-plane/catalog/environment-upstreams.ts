import { eq, inArray, sql } from 'drizzle-orm';
import type { Database, Transaction } from '#db/client.ts';
import { models, routes, upstreams } from '#db/schema/catalog.ts';
import { SEAL_PURPOSES, type SealingKey, seal, unseal } from '#shared/sealed-secret.ts';
import { mintId } from '../mint-id.ts';
import type { VendorSettings } from '../settings.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { VENDORS, type Vendor } from './vendors.ts';

const SYNC_LOCK = 7_206_102;

type UpstreamRow = typeof upstreams.$inferSelect;

/**
 * Makes the upstreams with source `environment` follow the settings: one per vendor that is set, named by the vendor's
 * code, with a route for every model of the vendor; those that are no longer set are removed. Operator upstreams are left
 * alone. Data planes hear of it only when something changed. Returns whether it did.
 */
export async function syncEnvironmentUpstreams(
  database: Database,
  settings: readonly VendorSettings[],
  sealingKey: SealingKey,
): Promise<boolean> {
  return await database.transaction(async (tx) => {
    // Two installations that start at once must not both find a vendor missing.
    await tx.execute(sql`select pg_advisory_xact_lock(${SYNC_LOCK})`);
    const existing = await tx
      .select()
      .from(upstreams)
      .where(eq(upstreams.source, 'environment'))
      .for('update');
    let changed = await removeUnset(tx, existing, settings);
    for (const vendorSettings of settings) {
      const vendor = VENDORS.find((each) => each.code === vendorSettings.vendorCode);
      if (!vendor) throw new Error(`Settings name the unknown vendor ${vendorSettings.vendorCode}`);
      const row = existing.find((each) => each.name === vendor.code);
      const upstream = await writeUpstream(tx, vendor, vendorSettings, row, sealingKey);
      const routesChanged = await routeAllModels(tx, vendor.code, upstream.id);
      changed = upstream.changed || routesChanged || changed;
    }
    if (changed) await recordConfigChange(tx, { entity: 'catalog' });
    return changed;
  });
}

async function removeUnset(
  tx: Transaction,
  existing: readonly UpstreamRow[],
  settings: readonly VendorSettings[],
): Promise<boolean> {
  const set = new Set(settings.map((each) => each.vendorCode));
  const unset = existing.filter((row) => !set.has(row.name));
  if (unset.length === 0) return false;
  await tx.delete(upstreams).where(
    inArray(
      upstreams.id,
      unset.map((row) => row.id),
    ),
  );
  return true;
}

async function writeUpstream(
  tx: Transaction,
  vendor: Vendor,
  settings: VendorSettings,
  existing: UpstreamRow | undefined,
  sealingKey: SealingKey,
): Promise<{ id: string; changed: boolean }> {
  const baseUrl = settings.baseUrl ?? vendor.defaultBaseUrl;
  if (
    existing?.baseUrl === baseUrl &&
    existing.protocol === vendor.protocol &&
    existing.enabled &&
    openCredential(existing.sealedCredential, sealingKey) === settings.apiKey
  )
    return { id: existing.id, changed: false };
  const values = {
    baseUrl,
    protocol: vendor.protocol,
    enabled: true,
    sealedCredential:
      settings.apiKey === null ? null : seal(settings.apiKey, sealingKey, SEAL_PURPOSES.upstreamCredential),
  };
  if (existing) {
    await tx.update(upstreams).set(values).where(eq(upstreams.id, existing.id));
    return { id: existing.id, changed: true };
  }
  const id = mintId();
  await tx
    .insert(upstreams)
    .values({ id, name: vendor.code, vendor: vendor.code, source: 'environment', ...values });
  return { id, changed: true };
}

/** `undefined` when it was sealed with another key: then it is sealed anew. */
function openCredential(sealed: string | null, sealingKey: SealingKey): string | null | undefined {
  if (sealed === null) return null;
  try {
    return unseal(sealed, sealingKey, SEAL_PURPOSES.upstreamCredential);
  } catch {
    return undefined;
  }
}

/** Adds the routes that a vendor's models lack to an upstream; returns whether any was missing. */
async function routeAllModels(tx: Transaction, vendorCode: string, upstreamId: string): Promise<boolean> {
  const vendorModels = await tx
    .select({ id: models.id, providerModel: models.providerModel })
    .from(models)
    .where(eq(models.vendor, vendorCode));
  const routed = new Set(
    (await tx.select({ modelId: routes.modelId }).from(routes).where(eq(routes.upstreamId, upstreamId))).map(
      (row) => row.modelId,
    ),
  );
  const missing = vendorModels.filter((model) => !routed.has(model.id));
  if (missing.length === 0) return false;
  await tx.insert(routes).values(
    missing.map((model) => ({
      id: mintId(),
      modelId: model.id,
      upstreamId,
      providerModel: model.providerModel,
    })),
  );
  return true;
}
