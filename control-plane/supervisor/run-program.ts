import { spawn } from 'node:child_process';

export interface ProgramResult {
  /** null when it could not be started or was ended by a signal. */
  readonly code: number | null;
  /** The end of what it wrote, both channels mixed. */
  readonly outputTail: string;
}

export interface ProgramOptions {
  readonly environment: NodeJS.ProcessEnv;
  readonly workingDirectory: string;
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  readonly timeoutMs: number;
}

const TAIL_CHARACTERS = 3_000;

/** Runs a program to its end without a terminal. Never rejects: a program that cannot be started is a result too. */
export function runProgram(
  program: string,
  arguments_: readonly string[],
  options: ProgramOptions,
): Promise<ProgramResult> {
  return new Promise((resolve) => {
    const child = spawn(program, arguments_, {
      cwd: options.workingDirectory,
      env: options.environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.timeoutMs,
      ...options.user,
    });
    let outputTail = '';
    const collect = (chunk: Buffer): void => {
      outputTail = (outputTail + chunk.toString('utf8')).slice(-TAIL_CHARACTERS);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.once('error', (error) => resolve({ code: null, outputTail: error.message }));
    child.once('close', (code) => resolve({ code, outputTail }));
  });
}
