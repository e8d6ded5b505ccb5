import { and, count, eq, isNull } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { webhookEndpoints } from '#db/schema/webhooks.ts';
import type { SealingKey } from '#shared/sealed-secret.ts';
import type { Reach } from '../accounts/authorize.ts';
import { reachesAccount } from '../accounts/authorize.ts';
import { lockAccount } from '../accounts/find-account.ts';
import { mintId } from '../mint-id.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { checkEndpoint, type EndpointSettings, MAX_ENDPOINTS, withoutRepeats } from './endpoint-rules.ts';
import { mintSigningSecret } from './signing-secret.ts';

/** Makes an endpoint of an account. Its signing secret is in this result, and sealed in the database. */
export async function createEndpoint(
  tx: Transaction,
  reach: Reach,
  sealingKey: SealingKey,
  { accountId, ...settings }: EndpointSettings & { accountId: string },
): Promise<Outcome<{ webhookEndpointId: string; secret: string }>> {
  const errors = checkEndpoint(settings);
  if (errors.length > 0) return refused(errors);
  if (!(await reachesAccount(tx, reach, accountId)))
    return refused([userError('NOT_FOUND', 'No such account.', 'accountId')]);
  // Locked, so that two calls at one moment do not pass the limit together.
  await lockAccount(tx, accountId);
  const [present] = await tx
    .select({ count: count() })
    .from(webhookEndpoints)
    .where(and(eq(webhookEndpoints.accountId, accountId), isNull(webhookEndpoints.deletedAt)));
  if ((present?.count ?? 0) >= MAX_ENDPOINTS)
    return refused([
      userError('WEBHOOK_LIMIT_REACHED', `An account has at most ${MAX_ENDPOINTS} endpoints.`, 'accountId'),
    ]);
  const { secret, sealed } = mintSigningSecret(sealingKey);
  const id = mintId();
  await tx.insert(webhookEndpoints).values({
    id,
    accountId,
    url: settings.url,
    description: settings.description,
    events: withoutRepeats(settings.events),
    sealedSecret: sealed,
  });
  return succeeded({ webhookEndpointId: id, secret });
}
