import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EndedSpoolSpending } from '#data-plane/usage/ended-spool-spending.ts';
import { SpoolFiles } from '#data-plane/usage/spool-files.ts';

const SEGMENT_BYTES = 100_000;
const LINES = 12_000;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'crossmodel-spending-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Line n costs its account, one of two, n times `factor` nano-USD. */
function write(factor: number): SpoolFiles {
  const files = new SpoolFiles(folder, SEGMENT_BYTES);
  for (let line = 1; line <= LINES; line += 1) {
    const record = { accountId: `account-${line % 2}`, apiKeyId: 'key', costNano: String(line * factor) };
    files.append(Buffer.from(`${JSON.stringify(record)}\n`), 1, false);
  }
  files.close();
  return files;
}

function costsFrom(first: number, remainder: number, factor: number): bigint {
  let sum = 0;
  for (let line = first; line <= LINES; line += 1) if (line % 2 === remainder) sum += line * factor;
  return BigInt(sum);
}

const wholeSpool = (factor: number) =>
  new Map([
    ['account-1', costsFrom(1, 1, factor)],
    ['account-0', costsFrom(1, 0, factor)],
  ]);

describe('what an ended spool has spent', () => {
  it('is summed once, and then known to the next process without reading the lines', async () => {
    const files = write(1);
    expect(await new EndedSpoolSpending(files).perWallet()).toEqual(wholeSpool(1));
    files.trim(7_000);
    const rest = await new EndedSpoolSpending(new SpoolFiles(folder, SEGMENT_BYTES)).perWallet();
    // The second chunk begins at line 5,001: it counts whole, although part of it has been trimmed.
    expect(rest.get('account-0')).toBe(costsFrom(5_001, 0, 1));
    expect(rest.get('account-1')).toBe(costsFrom(5_001, 1, 1));
  });

  it('is read from the lines where what was kept is damaged', async () => {
    const files = write(3);
    writeFileSync(path.join(folder, 'sums.json'), '[[0,[["account-1","12"]]],[1,[["acc');
    expect(await new EndedSpoolSpending(files).perWallet()).toEqual(wholeSpool(3));
  });
});
