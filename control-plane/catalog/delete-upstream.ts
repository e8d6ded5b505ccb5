import { eq } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { upstreams } from '#db/schema/catalog.ts';
import { recordConfigChange } from '../snapshot/record-config-change.ts';
import { type Outcome, succeeded } from '../user-error.ts';
import { lockOperatorUpstream } from './lock-upstream.ts';

/** Removes an upstream, its credential and its routes. Usage records keep its name. */
export async function deleteUpstream(
  tx: Transaction,
  input: { upstreamId: string },
): Promise<Outcome<{ upstreamId: string }>> {
  const locked = await lockOperatorUpstream(tx, input.upstreamId);
  if (!locked.ok) return locked;
  await tx.delete(upstreams).where(eq(upstreams.id, input.upstreamId));
  await recordConfigChange(tx, { entity: 'catalog' });
  return succeeded({ upstreamId: input.upstreamId });
}
