import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { openSnapshotSource } from '#data-plane/snapshot/snapshot-feed.ts';
import { digestApiKey } from '#shared/api-key.ts';
import { systemClock } from '#shared/clock.ts';
import { parseSealingKey } from '#shared/sealed-secret.ts';
import { residentMib } from './process-figures.ts';

/** The measured half of `snapshot-main.ts`, a process of its own. Arguments: Redis URL, number of keys, number of changes. */
const [redisUrl = '', keys = '0', changes = '0'] = process.argv.slice(2);
const LOOK_UPS = 200_000;
const HOT_KEYS = 1_000;
const SETTLE_MS = 50;
const SAVE_WATCH_MS = 35_000;
const NANO_PER_MS = 1e6;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const pauses = monitorEventLoopDelay({ resolution: 1 });
pauses.enable();
let lastCpuMicros = 0;
let longestTurnMicros = 0;
setInterval(() => {
  const { user, system } = process.threadCpuUsage();
  longestTurnMicros = Math.max(longestTurnMicros, user + system - lastCpuMicros);
  lastCpuMicros = user + system;
}, 1).unref();

/** Longest time since the last call in which the event loop did not turn, and the most CPU that it spent meanwhile. */
function longestPause(): string {
  const longest = `${(pauses.max / NANO_PER_MS).toFixed(0)} ms (${(longestTurnMicros / 1_000).toFixed(0)} ms of CPU)`;
  pauses.reset();
  longestTurnMicros = 0;
  return longest;
}

const sealingKey = parseSealingKey('5'.repeat(64));
if (sealingKey === undefined) throw new Error('The key is malformed');
const home = mkdtempSync(path.join(tmpdir(), 'crossmodel-snapshot-'));
const logger = pino({ level: 'warn' });
globalThis.gc?.();
const before = residentMib([process.pid]);
await delay(100);
longestPause();
const cpuBefore = process.cpuUsage();
const startedMs = performance.now();
const feed = await openSnapshotSource({
  ...{ redisUrl, home, sealingKey, bootWaitMs: 2_000, writesFile: true, clock: systemClock, logger },
});
const { user, system } = process.cpuUsage(cpuBefore);
const loadedAfter = ((performance.now() - startedMs) / 1_000).toFixed(1);
await delay(0);
say(
  `loaded in ${loadedAfter} s (${((user + system) / 1e6).toFixed(1)} s of CPU), longest pause ${longestPause()}`,
);
const perKey = (): string =>
  (((residentMib([process.pid]) - before) * 1024 * 1024) / Number(keys)).toFixed(0);
say(`resident: ${perKey()} bytes per key right after loading`);

const digestOf = (index: number): string => digestApiKey(`bench-${index}`);
await delay(5_000);
say(`first copy on disk being written: longest pause ${longestPause()}, ${perKey()} bytes per key`);

say('changes');
const target = Number(changes);
while (feed.current().sequence < target) await delay(20);
say(`${target} keys changed: longest pause ${longestPause()}`);

await delay(SETTLE_MS);
longestPause();
await delay(SAVE_WATCH_MS);
say(`copy on disk written again: longest pause ${longestPause()}`);
globalThis.gc?.();
await delay(1_000);
say(`resident: ${perKey()} bytes per key at rest`);

const timeOf = (digests: readonly string[]): string => {
  const began = performance.now();
  for (let count = 0; count < LOOK_UPS; count += 1)
    feed.current().findKey(digests[count % digests.length] ?? '');
  return (((performance.now() - began) * 1_000) / LOOK_UPS).toFixed(2);
};
const hot = Array.from({ length: HOT_KEYS }, (_, index) => digestOf(index));
const cold = Array.from({ length: LOOK_UPS }, (_, index) => digestOf(index % Number(keys)));
timeOf(hot);
say(`look-up: ${timeOf(hot)} µs of a key in use, ${timeOf(cold)} µs of one that was not used lately`);
await feed.close();
rmSync(home, { recursive: true, force: true });
