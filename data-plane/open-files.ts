import { readFileSync } from 'node:fs';

/** Open files that this process may have, which Node has raised as far as it may; `undefined` where there is no `/proc`. */
export function openFilesLimit(): number | undefined {
  try {
    const limit = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return limit === undefined ? undefined : Number(limit);
  } catch {
    return undefined;
  }
}
