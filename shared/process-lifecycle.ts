import { Socket } from 'node:net';

/**
 * How a child process of ours lives and ends. The supervisor holds the other end of a socket (its descriptor number is in
 * `CROSSMODEL_LIFELINE_FD`): the child announces readiness on it, and its end means that the supervisor is gone, so that
 * no process outlives it. Without that variable a process runs standalone and only signals end it.
 */
const LIFELINE_VARIABLE = 'CROSSMODEL_LIFELINE_FD';

let lifeline: Socket | undefined;

function openLifeline(): Socket | undefined {
  const descriptor = Number(process.env[LIFELINE_VARIABLE]);
  if (lifeline === undefined && Number.isInteger(descriptor) && descriptor > 2) {
    lifeline = new Socket({ fd: descriptor, readable: true, writable: true });
    lifeline.on('error', () => lifeline?.destroy());
  }
  return lifeline;
}

/** Tells the supervisor that this process serves. Harmless without one. */
export function announceReady(): void {
  openLifeline()?.write('ready\n');
}

/** `asked`: SIGTERM, others may go on serving. `hurried`: SIGINT or the end of the supervisor, everything ends. */
export type ShutdownCause = 'asked' | 'hurried';

/**
 * Runs `shutDown` once, on SIGTERM, SIGINT or the end of the supervisor, and exits with 0 when it resolves, with 1 when it
 * rejects or takes longer than `deadlineMs`.
 */
export function onShutdown(shutDown: (cause: ShutdownCause) => Promise<void>, deadlineMs: number): void {
  let started = false;
  const begin = (cause: ShutdownCause): void => {
    if (started) return;
    started = true;
    setTimeout(() => process.exit(1), deadlineMs).unref();
    shutDown(cause).then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', () => begin('asked'));
  process.on('SIGINT', () => begin('hurried'));
  const socket = openLifeline();
  socket?.on('close', () => begin('hurried'));
  socket?.on('end', () => begin('hurried'));
  socket?.resume();
}
