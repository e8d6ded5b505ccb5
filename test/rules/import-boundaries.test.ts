import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { REPOSITORY_ROOT } from './source-files.ts';

const CRUISER = path.join(REPOSITORY_ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
const CONFIGURATION = path.join(REPOSITORY_ROOT, '.dependency-cruiser.json');
const playground = mkdtempSync(path.join(tmpdir(), 'crossmodel-boundaries-'));

interface Violation {
  readonly rule: { readonly name: string };
  readonly from: string;
  readonly to: string;
}

async function violations(folder: string, rooms: readonly string[]): Promise<string[]> {
  const answer = await promisify(execFile)(
    process.execPath,
    [CRUISER, '--config', CONFIGURATION, '--output-type', 'json', ...rooms],
    { cwd: folder, maxBuffer: 256 * 1024 * 1024 },
  ).catch((error: { stdout: string }) => error);
  const report: { summary: { violations: Violation[]; totalCruised: number } } = JSON.parse(answer.stdout);
  expect(report.summary.totalCruised).toBeGreaterThan(1);
  return report.summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`);
}

function write(file: string, content: string): void {
  const target = path.join(playground, file);
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, content);
}

afterAll(() => rmSync(playground, { recursive: true, force: true }));

describe('import boundaries', () => {
  it('no room imports what it may not know', async () => {
    const rooms = ['control-plane', 'data-plane', 'shared', 'db', 'test'];
    expect(await violations(REPOSITORY_ROOT, rooms)).toEqual([]);
    // Reads every file; on a busy machine that takes its time.
  }, 120_000);

  it('a forbidden import is seen, type-only and cyclic ones too', async () => {
    write('package.json', '{"type":"module","imports":{"#db/*":"./db/*"}}');
    write('db/table.ts', "import type { C } from '../control-plane/verb.ts';\nexport type T = C;\n");
    write('data-plane/query.ts', "import type { T } from '#db/table.ts';\nexport type Q = T;\n");
    write('control-plane/verb.ts', "import { other } from './other.ts';\nexport type C = typeof other;\n");
    write('control-plane/other.ts', "import './verb.ts';\nexport const other = 1;\n");
    const found = await violations(playground, ['control-plane', 'data-plane', 'db']);
    expect(found).toContain('planes-meet-in-redis: data-plane/query.ts -> db/table.ts');
    expect(found).toContain('db-knows-only-shared: db/table.ts -> control-plane/verb.ts');
    expect(found.some((violation) => violation.startsWith('no-cycles:'))).toBe(true);
  });
});
