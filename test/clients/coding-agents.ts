import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bareEnvironment } from '../acceptance/settings.ts';
import type { ClientProduct } from './client-product.ts';
import { addressed, type Ran, run, snippetsOf } from './guide-snippets.ts';

const PACKAGES = path.join(import.meta.dirname, 'command-line', 'node_modules');

/** A machine on which nobody has used an agent yet: an empty home, an empty project, the agents on PATH, no way out. */
export interface Workplace {
  readonly project: string;
  readonly env: Readonly<Record<string, string>>;
  close(): void;
}

export function openWorkplace({ apiKey, v1, host }: ClientProduct): Workplace {
  const folder = mkdtempSync(path.join(tmpdir(), 'crossmodel-agent-'));
  const [home, project, bin] = ['home', 'project', 'bin'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const each of [path.join(home, '.codex'), project, bin]) mkdirSync(each, { recursive: true });
  // Installed without install scripts, so what they would put in place is called by its wrapper.
  install(bin, 'claude', path.join(PACKAGES, '@anthropic-ai', 'claude-code', 'cli-wrapper.cjs'));
  install(bin, 'codex', path.join(PACKAGES, '@openai', 'codex', 'bin', 'codex.js'));
  const [toml = ''] = snippetsOf('codex.md', 'toml');
  writeFileSync(path.join(home, '.codex', 'config.toml'), toml.replaceAll('http://127.0.0.1:8080/v1', v1));
  return {
    project,
    env: {
      PATH: `${bin}:${bareEnvironment().PATH ?? ''}`,
      HOME: home,
      CROSSMODEL_KEY: apiKey,
      ANTHROPIC_BASE_URL: host,
      ANTHROPIC_AUTH_TOKEN: apiKey,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      // The tests may run as root, where Claude Code insists on being told that nothing can be harmed.
      IS_SANDBOX: '1',
      // Whatever is not the gateway leads nowhere.
      HTTPS_PROXY: 'http://127.0.0.1:9',
      NO_PROXY: '127.0.0.1',
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function install(bin: string, name: string, program: string): void {
  const file = path.join(bin, name);
  writeFileSync(file, `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`);
  chmodSync(file, 0o755);
}

/** Claude Code without a terminal; the last line of its output says how the session went. */
export function claude(
  { project, env }: Workplace,
  model: string | undefined,
  prompt: string,
  ...options: string[]
): Promise<Ran> {
  const always = ['--output-format', 'json', '--dangerously-skip-permissions'];
  const models = model === undefined ? {} : { ANTHROPIC_MODEL: model, ANTHROPIC_DEFAULT_HAIKU_MODEL: model };
  return run('claude', ['-p', prompt, ...options, ...always], { cwd: project, env: { ...env, ...models } });
}

/** Codex without a terminal; each line of its output is an event. */
export function codex({ project, env }: Workplace, model: string, ...rest: string[]): Promise<Ran> {
  const always = [
    '--json',
    '--skip-git-repo-check',
    '--dangerously-bypass-approvals-and-sandbox',
    '-m',
    model,
  ];
  return run('codex', ['exec', ...always, ...rest], { cwd: project, env });
}

/** The shell commands of a guide, in the same place. */
export function guideCommands(
  { project, env }: Workplace,
  guide: string,
  product: ClientProduct,
): Promise<Ran> {
  const source = snippetsOf(guide, 'sh').join('\n');
  return run('bash', ['--norc', '-ec', addressed(source, product)], { cwd: project, env });
}
