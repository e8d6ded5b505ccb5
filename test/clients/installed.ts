import { existsSync } from 'node:fs';
import path from 'node:path';

/** Why the tests of a tree cannot run; `undefined` when it is installed. `npm test` installs it, `npm start` does not. */
export function missingTree(tree: '.' | 'command-line'): string | undefined {
  const folder = path.join(import.meta.dirname, tree);
  // npm writes this file last, so it stands for a whole installation.
  if (existsSync(path.join(folder, 'node_modules', '.package-lock.json'))) return undefined;
  const shown = path.posix.join('test/clients', tree);
  return `skipped: the clients are not installed; run \`npm ci\` in ${shown}`;
}
