import { eq } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { upstreams } from '#db/schema/catalog.ts';
import { SEAL_PURPOSES, type SealingKey, seal } from '#shared/sealed-secret.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { type Outcome, refused, succeeded } from '../user-error.ts';
import { lockOperatorUpstream } from './lock-upstream.ts';
import { type RouteInput, replaceRoutes } from './route-models.ts';
import { checkBaseUrl, checkCredential, checkUpstreamName } from './upstream-rules.ts';
import { parseBaseUrl } from './vendors.ts';

/** Changes what is given and leaves the rest: `credential: null` removes the credential, `routes` replaces all routes. */
export async function updateUpstream(
  tx: Transaction,
  sealingKey: SealingKey,
  input: {
    upstreamId: string;
    name?: string | undefined;
    baseUrl?: string | undefined;
    credential?: string | null | undefined;
    enabled?: boolean | undefined;
    routes?: readonly RouteInput[] | undefined;
  },
): Promise<Outcome<{ upstreamId: string }>> {
  const locked = await lockOperatorUpstream(tx, input.upstreamId);
  if (!locked.ok) return locked;
  const errors = [
    ...(input.name === undefined ? [] : await checkUpstreamName(tx, input.name, input.upstreamId)),
    ...(input.baseUrl === undefined ? [] : checkBaseUrl(input.baseUrl)),
    ...(input.credential === undefined ? [] : checkCredential(input.credential)),
  ];
  if (errors.length > 0) return refused(errors);
  const changes = {
    ...(input.name === undefined ? {} : { name: input.name }),
    ...(input.baseUrl === undefined ? {} : { baseUrl: parseBaseUrl(input.baseUrl) }),
    ...(input.enabled === undefined ? {} : { enabled: input.enabled }),
    ...(input.credential === undefined
      ? {}
      : {
          sealedCredential:
            input.credential === null
              ? null
              : seal(input.credential, sealingKey, SEAL_PURPOSES.upstreamCredential),
        }),
  };
  if (Object.keys(changes).length > 0)
    await tx.update(upstreams).set(changes).where(eq(upstreams.id, input.upstreamId));
  const routeErrors =
    input.routes === undefined ? [] : await replaceRoutes(tx, input.upstreamId, input.routes);
  if (routeErrors.length > 0) return refused(routeErrors);
  await recordConfigChange(tx, { entity: 'catalog' });
  return succeeded({ upstreamId: input.upstreamId });
}
