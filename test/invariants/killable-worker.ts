import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { searchPath } from './settings.ts';

export interface WorkerOptions {
  readonly sourceRoot: string;
  readonly redisUrl: string;
  readonly databaseUrl: string;
  readonly home: string;
}

const SEALING_KEY = randomBytes(32).toString('hex');

/** The shipped worker process: ingest, settlement, wallets. */
export class KillableWorker {
  readonly #options: WorkerOptions;
  #child: ChildProcess | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  start(): void {
    const { sourceRoot, redisUrl, databaseUrl, home } = this.#options;
    this.#child = spawn(process.execPath, ['control-plane/main.ts'], {
      cwd: sourceRoot,
      env: {
        PATH: searchPath(),
        CROSSMODEL_MODE: 'production',
        CONTROL_PLANE_ROLE: 'workers',
        CONTROL_PLANE_URL: 'https://simulated.example.com',
        CROSSMODEL_HOME: home,
        CROSSMODEL_SECRET_KEY: SEALING_KEY,
        DATABASE_URL: databaseUrl,
        REDIS_URL: redisUrl,
        LOG_LEVEL: 'silent',
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }

  get runs(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }
}
