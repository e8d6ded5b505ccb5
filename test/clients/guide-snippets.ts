import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bareEnvironment } from '../acceptance/settings.ts';
import type { ClientProduct } from './client-product.ts';

const GUIDES = path.resolve(import.meta.dirname, '..', '..', 'data-plane', 'docs');
const RUN_TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 4_000_000;

/** The fenced blocks of a guide in one language, in order. */
export function snippetsOf(guide: string, language: string): string[] {
  const text = readFileSync(path.join(GUIDES, guide), 'utf8');
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].flatMap(([, name, body = '']) =>
    name === language ? [body] : [],
  );
}

/** A snippet as its reader would have it: the addresses of the product instead of those of a plain `npm start`. */
export function addressed(snippet: string, { host, product }: ClientProduct): string {
  return snippet
    .replaceAll('http://127.0.0.1:8080', host)
    .replaceAll('http://127.0.0.1:4000', new URL(product.access.graphqlUrl).origin);
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program with nothing of this process's environment but what is given. Ended by force after a minute. */
export function run(
  command: string,
  arguments_: readonly string[],
  { cwd, env }: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
): Promise<Ran> {
  const { PATH = '' } = bareEnvironment();
  return new Promise((resolve) => {
    const options = { cwd, env: { PATH, ...env }, timeout: RUN_TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES };
    const child = execFile(command, arguments_, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, stdout, stderr });
    });
    // Some programs read what is piped to them until its end.
    child.stdin?.end();
  });
}

/** A folder of its own that finds the client libraries, as a reader's project does. */
export async function inProject<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(path.join(tmpdir(), 'crossmodel-guide-'));
  try {
    symlinkSync(path.join(import.meta.dirname, 'node_modules'), path.join(folder, 'node_modules'));
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs a whole JavaScript program. */
export function runProgram(source: string, env: Readonly<Record<string, string>>): Promise<Ran> {
  return inProject((cwd) => {
    writeFileSync(path.join(cwd, 'program.mjs'), source);
    return run(process.execPath, ['program.mjs'], { cwd, env });
  });
}

/** Runs shell commands, each of which has to succeed; a `curl` that gets an error answer has not. */
export function runShell(source: string, cwd: string, env: Readonly<Record<string, string>>): Promise<Ran> {
  const strict = `set -e\ncurl() { command curl --silent --show-error --fail-with-body "$@"; echo; }\n${source}`;
  return run('bash', ['--norc', '-c', strict], { cwd, env });
}
