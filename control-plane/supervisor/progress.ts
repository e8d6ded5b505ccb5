import { appendFileSync } from 'node:fs';
import { systemClock } from '#shared/clock.ts';

/** How the supervisor tells people (development) or log collectors (production) what it does. */
export interface Progress {
  /** Something that may take a while; call the answer when it is over. */
  step(label: string): (outcome: string) => void;
  note(line: string): void;
}

const STILL_BUSY_EVERY_MS = 5_000;

/** Calm lines on the terminal: one per finished step, and a sign of life while a step is slow. */
export function terminalProgress(logFile: string): Progress {
  const write = (line: string): void => {
    process.stdout.write(`${line}\n`);
    appendFileSync(logFile, `${new Date(systemClock.nowMs()).toISOString()} ${line.trim()}\n`, {
      mode: 0o600,
    });
  };
  return {
    note: (line) => write(`  ${line}`),
    step: (label) => {
      const startedMs = performance.now();
      const elapsed = (): string => `${((performance.now() - startedMs) / 1_000).toFixed(1)} s`;
      const stillBusy = setInterval(() => write(`  ${label} ... ${elapsed()}`), STILL_BUSY_EVERY_MS);
      stillBusy.unref();
      return (outcome) => {
        clearInterval(stillBusy);
        write(`  ${`${label} ${outcome}`.padEnd(46)} ${elapsed()}`);
      };
    },
  };
}

/** One JSON line per event, like those of the other processes. */
export function productionProgress(): Progress {
  const write = (fields: Record<string, unknown>): void => {
    process.stdout.write(
      `${JSON.stringify({ level: 30, time: systemClock.nowMs(), process: 'supervisor', ...fields })}\n`,
    );
  };
  return {
    note: (line) => write({ msg: line }),
    step: (label) => {
      const startedMs = performance.now();
      return (outcome) =>
        write({ msg: `${label} ${outcome}`, elapsedMs: Math.round(performance.now() - startedMs) });
    },
  };
}
