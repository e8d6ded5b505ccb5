import { eq } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { upstreams } from '#db/schema/catalog.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';

/** Locks an upstream's row for a change. Refuses those that follow the environment. */
export async function lockOperatorUpstream(
  tx: Transaction,
  upstreamId: string,
): Promise<Outcome<{ id: string }>> {
  const [upstream] = await tx
    .select({ id: upstreams.id, source: upstreams.source })
    .from(upstreams)
    .where(eq(upstreams.id, upstreamId))
    .for('update');
  if (!upstream) return refused([userError('NOT_FOUND', 'No such upstream.', 'upstreamId')]);
  if (upstream.source === 'environment')
    return refused([
      userError(
        'UPSTREAM_MANAGED_BY_ENVIRONMENT',
        'This upstream follows the environment of the installation.',
        'upstreamId',
      ),
    ]);
  return succeeded(upstream);
}
