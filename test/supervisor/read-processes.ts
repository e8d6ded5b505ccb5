import { readFileSync } from 'node:fs';
import path from 'node:path';

/** The running children as `processes.json` of a state folder names them. */
export function readProcesses(home: string): Record<string, number> {
  const table: Record<string, number> = JSON.parse(readFileSync(path.join(home, 'processes.json'), 'utf8'));
  return table;
}
