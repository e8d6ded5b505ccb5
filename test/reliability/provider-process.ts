import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';

export const PROVIDER_KEY = 'sk-chaos-provider-key';

export interface ProviderProcess {
  readonly baseUrl: string;
  stop(): Promise<void>;
}

/** The mock provider as a process of its own, with its book in a file. */
export async function startProviderProcess(bookPath: string): Promise<ProviderProcess> {
  const program = path.join(import.meta.dirname, '..', 'fakes', 'mock-provider-main.ts');
  const child = spawn(process.execPath, [program, '--book', bookPath, '--key', PROVIDER_KEY], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  for await (const line of createInterface({ input: child.stdout })) {
    const { baseUrl } = JSON.parse(line) as { baseUrl: string };
    return {
      baseUrl,
      stop: async () => {
        child.kill('SIGTERM');
        await exited;
      },
    };
  }
  throw new Error('The mock provider ended before it listened');
}
