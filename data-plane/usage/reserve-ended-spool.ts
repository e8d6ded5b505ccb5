import { readFileSync } from 'node:fs';
import { redisKeys } from '#shared/redis-keys.ts';
import { executePipeline, type RedisLink } from '#shared/redis-link.ts';
import type { EndedSpoolSpending } from './ended-spool-spending.ts';

const WALLETS_PER_ROUND = 500;
const DECLARATION_TTL_SECONDS = 3_600;
const SCRIPT = readFileSync(new URL('./reserve-ended-spool.lua', import.meta.url), 'utf8');

/**
 * Tells a Redis that has not heard of it what the spool of an ended process may have spent without its being settled, so that
 * it is not lent again, and then that this spool has declared itself. What Postgres has committed already counts as well:
 * that much too much stays reserved until the spool is closed. Does nothing where it was told before.
 */
export async function reserveEndedSpool(
  link: RedisLink,
  spool: string,
  spending: EndedSpoolSpending,
): Promise<void> {
  const runId = link.runId();
  if (runId === undefined) return;
  const { client } = link;
  const declared = redisKeys.quotaDeclared(runId);
  if ((await client.sismember(declared, spool)) === 1) return;
  const spent = [...(await spending.perWallet())];
  for (let first = 0; first < spent.length; first += WALLETS_PER_ROUND) {
    const pipeline = client.pipeline();
    for (const [wallet, nano] of spent.slice(first, first + WALLETS_PER_ROUND))
      pipeline.eval(
        SCRIPT,
        2,
        ...[redisKeys.wallet(wallet), redisKeys.spoolWallets(spool), spool, wallet, nano.toString()],
      );
    await executePipeline(pipeline);
  }
  await client.sadd(declared, spool);
  await client.expire(declared, DECLARATION_TTL_SECONDS);
  await liftGuards(link, spool);
}

/** Ends what wallets say of a spool of which Postgres has every line: it may have been reserved when it was just being closed. */
export function forgetEndedSpool(link: RedisLink, spool: string): Promise<void> {
  return liftGuards(link, spool, ['b', 'x']);
}

/** What was reserved or forbidden while the spool was silent, in wallets that its lines do not name. */
async function liftGuards(
  { client }: RedisLink,
  spool: string,
  kinds: readonly string[] = ['x'],
): Promise<void> {
  const pipeline = client.pipeline();
  for (const wallet of await client.smembers(redisKeys.spoolWallets(spool)))
    pipeline.hdel(redisKeys.wallet(wallet), ...kinds.map((kind) => `${kind}:${spool}`));
  await executePipeline(pipeline);
}
