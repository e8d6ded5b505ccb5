import { eq, inArray, sql } from 'drizzle-orm';
import type { Database, Transaction } from '#db/client.ts';
import { models, routes, upstreams } from '#db/schema/catalog.ts';
import { SEAL_PURPOSES, type SealingKey, seal, unseal } from '#shared/sealed-secret.ts';
import { mintId } from '../mint-id.ts';
import type { VendorSettings } from '../settings.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { endpointsOf, VENDORS, type Vendor, type VendorEndpoint } from './vendors.ts';

const SYNC_LOCK = 7_206_102;

type UpstreamRow = typeof upstreams.$inferSelect;

/**
 * Makes the upstreams with source `environment` follow the settings: one per protocol of each vendor that is set, with a route for every model of the vendor; those that are no longer set are removed. Operator upstreams are left
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
    const wanted = settings.flatMap((vendorSettings) => {
      const vendor = vendorOf(vendorSettings);
      return endpointsOf(vendor).map((endpoint) => ({ vendor, endpoint, vendorSettings }));
    });
    let changed = await removeUnset(tx, existing, new Set(wanted.map(({ endpoint }) => endpoint.name)));
    for (const { vendor, endpoint, vendorSettings } of wanted) {
      const row = existing.find((each) => each.name === endpoint.name);
      const upstream = await writeUpstream(tx, vendor, endpoint, vendorSettings, row, sealingKey);
      const routesChanged = await routeAllModels(tx, vendor.code, upstream.id, endpoint.priority);
      changed = upstream.changed || routesChanged || changed;
    }
    if (changed) await recordConfigChange(tx, { entity: 'catalog' });
    return changed;
  });
}

function vendorOf(settings: VendorSettings): Vendor {
  const vendor = VENDORS.find((each) => each.code === settings.vendorCode);
  if (!vendor) throw new Error(`Settings name the unknown vendor ${settings.vendorCode}`);
  return vendor;
}

async function removeUnset(
  tx: Transaction,
  existing: readonly UpstreamRow[],
  wantedNames: ReadonlySet<string>,
): Promise<boolean> {
  const unset = existing.filter((row) => !wantedNames.has(row.name));
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
  endpoint: VendorEndpoint,
  settings: VendorSettings,
  existing: UpstreamRow | undefined,
  sealingKey: SealingKey,
): Promise<{ id: string; changed: boolean }> {
  const baseUrl = settings.baseUrl ?? vendor.defaultBaseUrl;
  if (
    existing?.baseUrl === baseUrl &&
    existing.protocol === endpoint.protocol &&
    existing.enabled &&
    openCredential(existing.sealedCredential, sealingKey) === settings.apiKey
  )
    return { id: existing.id, changed: false };
  const values = {
    baseUrl,
    protocol: endpoint.protocol,
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
    .values({ id, name: endpoint.name, vendor: vendor.code, source: 'environment', ...values });
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
async function routeAllModels(
  tx: Transaction,
  vendorCode: string,
  upstreamId: string,
  priority: number,
): Promise<boolean> {
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
      priority,
    })),
  );
  return true;
}
