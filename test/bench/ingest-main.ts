import { parseArgs } from 'node:util';
import { migrateDatabase } from '#control-plane/migrate.ts';
import { readTestSettings } from '#test/setup/settings.ts';
import { startThrowAwayStores } from '#test/setup/throw-away-stores.ts';
import { IngestBench } from './ingest-backlog.ts';

/**
 * How fast the workers take usage in, ledger included, from a backlog in Redis, beside nothing else:
 * `node test/bench/ingest-main.ts --records 200000`. Prints rows per second and the ratio to a bare insert.
 * Postgres and Redis are durable, as the product runs them.
 */
const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '3' },
    accounts: { type: 'string', default: '20' },
    spools: { type: 'string', default: '2' },
  },
});
const MEGABYTE = 1024 * 1024;
/** They are kept in memory, other than those of the backlog. */
const MOST_BARE_RECORDS = 100_000;
const records = Number(values.records);
const stores = await startThrowAwayStores(readTestSettings().environment, true);
try {
  const databaseUrl = stores.postgresUrl;
  await migrateDatabase(databaseUrl);
  const bench = new IngestBench({
    databaseUrl,
    redisUrl: `${stores.redisUrl}/0`,
    accounts: Number(values.accounts),
    spools: Number(values.spools),
  });
  await bench.prepare();
  const rates: number[] = [];
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    const bare = await bench.insertBare(Math.min(records, MOST_BARE_RECORDS));
    const ingest = await bench.ingest(records);
    rates.push(ingest);
    const ratio = (ingest / bare).toFixed(2);
    const memory = Math.round(process.memoryUsage.rss() / MEGABYTE);
    process.stdout.write(
      `round ${round}: ${Math.round(ingest)} rows/s ingested, ${Math.round(bare)} rows/s bare insert, ratio ${ratio}, ${memory} MB\n`,
    );
  }
  const median = rates.sort((left, right) => left - right)[Math.floor(rates.length / 2)] ?? 0;
  process.stdout.write(`median: ${Math.round(median)} rows/s of ${records} records per round\n`);
  await bench.close();
} finally {
  await stores.discard();
}
