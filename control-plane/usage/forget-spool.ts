import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { redisKeys } from '#shared/redis-keys.ts';

const CLOSE_SPOOL_SCRIPT = readFileSync(new URL('./close-spool.lua', import.meta.url), 'utf8');

/** Frees in Redis what a closed spool still held, and what was reserved or forbidden because of it. Harmless when repeated. */
export async function forgetSpool(client: Redis, spool: string): Promise<void> {
  const wallets = await client.smembers(redisKeys.spoolWallets(spool));
  const keys = [redisKeys.spoolWallets(spool), ...wallets.map((wallet) => redisKeys.wallet(wallet))];
  await client.eval(CLOSE_SPOOL_SCRIPT, keys.length, ...keys, spool);
}
