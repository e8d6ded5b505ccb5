import type { Logger } from 'pino';
import { describeFault } from './describe-fault.ts';

export interface PeriodicWork {
  /** Runs a round now, or right after the one that runs. */
  runSoon(): void;
  close(): Promise<void>;
}

/**
 * Runs `round` at once and then every `everyMs`, one at a time. A failed round is logged and made up for by the next one.
 * What must not be done twice at a time over several workers is for the round to see to.
 */
export function startPeriodicWork(
  name: string,
  everyMs: number,
  round: () => Promise<void>,
  logger: Logger,
): PeriodicWork {
  let closed = false;
  const guarded = async (): Promise<void> => {
    if (closed) return;
    try {
      await round();
    } catch (error) {
      logger.error({ fault: describeFault(error) }, `${name} failed`);
    }
  };
  let running = guarded();
  const runSoon = (): void => {
    running = running.then(guarded);
  };
  const timer = setInterval(runSoon, everyMs);
  return {
    runSoon,
    close: async () => {
      closed = true;
      clearInterval(timer);
      await running;
    },
  };
}
