import type { Logger } from 'pino';
import type { Sql } from '#db/client.ts';
import { type Listening, listenForever } from '#db/listen.ts';
import { describeFault } from '../describe-fault.ts';
import { SETTLED_NOTICE } from './post-transaction.ts';
import type { WalletPublisher } from './publish-wallets.ts';
import type { SettledWallet } from './read-wallet-seeds.ts';

/**
 * Publishes what an operator's replay of quarantined usage has settled: the ingest does so for its own batches, a replay runs
 * in the API. A notice that is lost is made up for by the next seeding or the next batch of that spool and account.
 */
export function publishReplayed(sql: Sql, wallets: WalletPublisher, logger: Logger): Listening {
  const publish = async (accountId: string): Promise<void> => {
    try {
      const settled = await sql<SettledWallet[]>`
        select spool_id as spool, account_id as "accountId", settled_nano::text as "settledNano"
        from usage_spool_wallets join usage_spools on usage_spools.id = spool_id
        where account_id = ${accountId} and closed_at is null`;
      await wallets.publishSettled(settled);
    } catch (error) {
      logger.warn({ fault: describeFault(error) }, 'A replayed settlement was not published');
    }
  };
  return listenForever(
    sql,
    SETTLED_NOTICE,
    (accountId) => void publish(accountId),
    () => undefined,
  );
}
