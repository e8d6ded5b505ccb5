import type { Transaction } from '#db/client.ts';
import { upstreams } from '#db/schema/catalog.ts';
import { SEAL_PURPOSES, type SealingKey, seal } from '#shared/sealed-secret.ts';
import type { ProviderProtocol } from '#shared/usage-record.ts';
import { mintId } from '../mint-id.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { type Outcome, refused, succeeded } from '../user-error.ts';
import { type RouteInput, replaceRoutes, routesToVendor } from './route-models.ts';
import { checkBaseUrl, checkCredential, checkUpstreamName, checkVendor } from './upstream-rules.ts';
import { parseBaseUrl } from './vendors.ts';

/**
 * Adds an endpoint that requests can be sent to. Without `routes` it serves every model of its vendor. The credential is
 * sealed before it is stored and never shown again.
 */
export async function createUpstream(
  tx: Transaction,
  sealingKey: SealingKey,
  input: {
    name: string;
    vendor: string;
    protocol: ProviderProtocol;
    baseUrl: string;
    credential: string | null;
    enabled: boolean;
    routes: readonly RouteInput[] | null;
  },
): Promise<Outcome<{ upstreamId: string }>> {
  const errors = [
    ...(await checkUpstreamName(tx, input.name, null)),
    ...checkVendor(input.vendor),
    ...checkBaseUrl(input.baseUrl),
    ...checkCredential(input.credential),
  ];
  const baseUrl = parseBaseUrl(input.baseUrl);
  if (errors.length > 0 || baseUrl === undefined) return refused(errors);
  const id = mintId();
  await tx.insert(upstreams).values({
    id,
    name: input.name,
    vendor: input.vendor,
    protocol: input.protocol,
    baseUrl,
    sealedCredential:
      input.credential === null ? null : seal(input.credential, sealingKey, SEAL_PURPOSES.upstreamCredential),
    source: 'operator',
    enabled: input.enabled,
  });
  const routeErrors = await replaceRoutes(tx, id, input.routes ?? (await routesToVendor(tx, input.vendor)));
  if (routeErrors.length > 0) return refused(routeErrors);
  await recordConfigChange(tx, { entity: 'catalog' });
  return succeeded({ upstreamId: id });
}
