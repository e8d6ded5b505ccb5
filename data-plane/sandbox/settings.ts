import { z } from 'zod';
import type { PaceSettings } from './pace.ts';

export interface SandboxSettings {
  readonly port: number;
  readonly pace: PaceSettings;
  readonly logLevel: string;
}

const INSTANT: PaceSettings = { firstTokenMs: 0, tokensPerSecond: Number.POSITIVE_INFINITY };

const environmentSchema = z.object({
  /** Where it listens, on the loopback interface only; 0 takes a free port. */
  SANDBOX_PORT: z.coerce.number().int().min(0).max(65_535),
  /** `realistic` or `instant`. */
  SANDBOX_PACE: z.enum(['realistic', 'instant']).default('realistic'),
  SANDBOX_FIRST_TOKEN_MS: z.coerce.number().min(0).max(60_000).default(150),
  SANDBOX_TOKENS_PER_SECOND: z.coerce.number().min(1).max(100_000).default(60),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

/** Reads the environment once. Throws a `ZodError` that names every setting at fault. */
export function readSandboxSettings(environment: NodeJS.ProcessEnv = process.env): SandboxSettings {
  const parsed = environmentSchema.parse(environment);
  return {
    port: parsed.SANDBOX_PORT,
    pace:
      parsed.SANDBOX_PACE === 'instant'
        ? INSTANT
        : { firstTokenMs: parsed.SANDBOX_FIRST_TOKEN_MS, tokensPerSecond: parsed.SANDBOX_TOKENS_PER_SECOND },
    logLevel: parsed.LOG_LEVEL,
  };
}
