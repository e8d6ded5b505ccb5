import { parseSync } from '@swc/core';
import { describe, expect, it } from 'vitest';
import { type SourceFile, sourceFiles } from './source-files.ts';

const WARN_ABOVE_LINES = 400;
const FAIL_ABOVE_LINES = 600;
/** The aim is 70; the alarm sounds a little later, so that nobody cuts a function in two just to pass. */
const LONGEST_FUNCTION_LINES = 75;

/** Long files and functions that are better left whole, each with the reason. */
const FILE_EXCEPTIONS: Readonly<Record<string, string>> = {};
const FUNCTION_EXCEPTIONS: Readonly<Record<string, string>> = {};

interface Span {
  readonly start: number;
  readonly end: number;
}

const FUNCTION_TYPES = [
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
  'ClassMethod',
];

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isSpan(value: unknown): value is Span {
  return isRecord(value) && typeof value.start === 'number' && typeof value.end === 'number';
}

/** All functions of a syntax tree, nested ones included. */
function collectFunctions(node: unknown, found: Span[]): void {
  if (Array.isArray(node)) for (const item of node) collectFunctions(item, found);
  else if (isRecord(node)) {
    const span = isSpan(node.span) ? node.span : undefined;
    const ofMethod = isRecord(node.function) && isSpan(node.function.span) ? node.function.span : undefined;
    const own = span ?? ofMethod;
    if (typeof node.type === 'string' && FUNCTION_TYPES.includes(node.type) && own !== undefined)
      found.push(own);
    for (const value of Object.values(node)) collectFunctions(value, found);
  }
}

function longFunctions(file: SourceFile): string[] {
  const source = Buffer.from(file.lines.join('\n'));
  const tree = parseSync(source.toString('utf8'), { syntax: 'typescript', target: 'es2024' });
  const spans: Span[] = [];
  collectFunctions(tree.body, spans);
  // Positions count bytes over all files parsed so far, from 1; the module's own span is where this file begins.
  const first = Math.min(tree.span.start, ...spans.map(({ start }) => start));
  const leading = source.toString('utf8').search(/\S/);
  const base = first === tree.span.start ? tree.span.start - leading : tree.span.start;
  return spans.flatMap(({ start, end }) => {
    const text = source.subarray(start - base, end - base).toString('utf8');
    const lines = text.split('\n').length;
    const line = source
      .subarray(0, start - base)
      .toString('utf8')
      .split('\n').length;
    return lines > LONGEST_FUNCTION_LINES ? [`${file.path}:${line} is a function of ${lines} lines`] : [];
  });
}

describe('size', () => {
  it(`no file is longer than ${FAIL_ABOVE_LINES} lines`, () => {
    const counted = sourceFiles()
      .map((file) => ({ path: file.path, lines: file.lines.length }))
      .filter(({ path, lines }) => lines > WARN_ABOVE_LINES && !(path in FILE_EXCEPTIONS));
    for (const { path, lines } of counted)
      process.stdout.write(
        `size: ${path} has ${lines} lines; think of dividing it above ${WARN_ABOVE_LINES}\n`,
      );
    expect(counted.filter(({ lines }) => lines > FAIL_ABOVE_LINES)).toEqual([]);
  });

  it(`no function outside the tests is longer than ${LONGEST_FUNCTION_LINES} lines`, () => {
    const found = sourceFiles()
      .filter(({ path }) => path.endsWith('.ts') && !path.startsWith('test/'))
      .flatMap(longFunctions)
      .filter((finding) => !Object.keys(FUNCTION_EXCEPTIONS).some((known) => finding.startsWith(known)));
    expect(found).toEqual([]);
  });

  it('a long function is seen where it stands', () => {
    const lines = [
      'const a = 1;',
      'function long(): number {',
      ...Array(80).fill('  // line'),
      '  return a;',
      '}',
    ];
    expect(longFunctions({ path: 'shared/x.ts', lines })).toEqual([
      'shared/x.ts:2 is a function of 83 lines',
    ]);
  });
});
