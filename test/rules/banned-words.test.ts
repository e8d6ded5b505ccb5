import { describe, expect, it } from 'vitest';
import { allFiles, type SourceFile, sourceFiles } from './source-files.ts';

/** A word that is not written, where it is not written, and what stands in its place. */
interface Ban {
  readonly pattern: RegExp;
  readonly where: (file: string) => boolean;
  readonly instead: string;
}

const SHALLOW_NAME = /(^|[-_/.])(utils?|helpers?|common|misc|manager|service)s?([-_/.]|$)/i;
const SHALLOW_CLASS = /\bclass \w*(Utils?|Helpers?|Common|Misc|Manager|Service)\b/;
const THIS_RULE = /^test\/rules\/banned-words\.test\.ts$/;

/** Who may read the environment besides the files named settings.ts, and why. */
const ENVIRONMENT_READERS: Readonly<Record<string, string>> = {
  'shared/process-lifecycle.ts': 'the lifeline is between supervisor and child, not a setting',
  'control-plane/supervisor/bootstrap.mjs': 'runs before anything of ours can be imported',
};

const inRoom =
  (...rooms: string[]) =>
  (file: string): boolean =>
    rooms.some((room) => file.startsWith(`${room}/`)) && !THIS_RULE.test(file);

const BANS: Readonly<Record<string, Ban>> = {
  'process.env': {
    pattern: /\bprocess\.env\b/,
    // Tests start programs of their own and have to hand them a PATH.
    where: (file) =>
      inRoom('shared', 'db', 'control-plane', 'data-plane')(file) &&
      !file.endsWith('/settings.ts') &&
      !(file in ENVIRONMENT_READERS),
    instead: "the room's settings.ts, which validates it once",
  },
  'Date.now': {
    pattern: /\bDate\.now\b|\bnew Date\(\)/,
    where: (file) =>
      inRoom('shared', 'db', 'control-plane', 'data-plane')(file) && file !== 'shared/clock.ts',
    instead: 'the Clock of shared/clock.ts',
  },
  'console.': {
    pattern: /\bconsole\.\w+\(/,
    where: inRoom('shared', 'db', 'control-plane', 'data-plane', 'test'),
    instead: 'the logger, or process.stdout in command-line code',
  },
  'JSON.parse in the forward lane': {
    pattern: /\bJSON\.parse\b/,
    where: (file) => file === 'data-plane/lanes/forward.ts',
    instead: 'the byte scanner in data-plane/json/',
  },
  'new TransformStream in the data plane': {
    pattern: /\bnew TransformStream\b/,
    where: inRoom('data-plane'),
    instead: 'push-style calls, as in data-plane/http/sse-frames.ts',
  },
  'a floating-point amount in the ledger': {
    pattern: /\bparseFloat\b|\.toFixed\(/,
    where: inRoom('control-plane/ledger', 'control-plane/billing'),
    instead: 'the integers of shared/money.ts',
  },
  'an unfinished thought': {
    pattern: /\b(TODO|FIXME|XXX|HACK)\b/,
    where: inRoom('shared', 'db', 'control-plane', 'data-plane', 'test'),
    instead: 'doing it, or leaving it out',
  },
  'a skipped or lonely test': {
    pattern: /\b(it|test|describe)\.(only|skip|todo)\(/,
    where: inRoom('test'),
    instead: 'a test that runs; one that needs absent material uses skipIf with a reason in its name',
  },
};

function sightings(files: readonly SourceFile[], ban: Ban): string[] {
  return files
    .filter((file) => ban.where(file.path))
    .flatMap((file) =>
      file.lines.flatMap((line, index) =>
        ban.pattern.test(line) ? [`${file.path}:${index + 1} ${line.trim()}  (instead: ${ban.instead})`] : [],
      ),
    );
}

describe('words that are not written', () => {
  it.each(Object.keys(BANS))('%s', (name) => {
    const ban = BANS[name];
    expect(ban === undefined ? [name] : sightings(sourceFiles(), ban)).toEqual([]);
  });

  it('a banned word in a room is seen', () => {
    const ban = BANS['Date.now'];
    const file = { path: 'data-plane/usage/spool.ts', lines: ['const now = Date.now();'] };
    expect(ban === undefined ? [] : sightings([file], ban)).toHaveLength(1);
  });

  it('names of files, folders and classes say what they hide', () => {
    const files = sourceFiles();
    const shallowFiles = files.map((file) => file.path).filter((path) => SHALLOW_NAME.test(path));
    const shallowClasses = files
      .filter((file) => !THIS_RULE.test(file.path))
      .flatMap((file) => file.lines.filter((line) => SHALLOW_CLASS.test(line)));
    expect([...shallowFiles, ...shallowClasses]).toEqual([]);
    expect('control-plane/key-manager.ts').toMatch(SHALLOW_NAME);
  });

  it('no file names a package registry: the user decides where packages come from', () => {
    const registry = /registry\.[a-z0-9-]+\.[a-z]{2,}|\bnpmmirror|\bverdaccio|\bartifactory|^registry\s*=/i;
    const found = allFiles().flatMap((file) =>
      file.lines.filter((line) => registry.test(line) && !line.includes('registry\\.')).map(() => file.path),
    );
    expect(found).toEqual([]);
  });
});
