/** What the tests are told from outside, read once by the main process of vitest. */
export interface TestSettings {
  /** Descriptor that ends when the bootstrap is gone; undefined when vitest was called directly. */
  readonly lifelineDescriptor: number | undefined;
  readonly environment: Readonly<NodeJS.ProcessEnv>;
}

export function readTestSettings(environment: NodeJS.ProcessEnv = process.env): TestSettings {
  const given = Number(environment.CROSSMODEL_TEST_LIFELINE_FD);
  return {
    lifelineDescriptor: Number.isInteger(given) && given > 2 ? given : undefined,
    environment,
  };
}

/** Number of the vitest worker that runs this file, from 1. */
export function workerNumber(environment: NodeJS.ProcessEnv = process.env): number {
  return Number(environment.VITEST_POOL_ID ?? '1');
}

/**
 * The folder with public specifications and recorded traffic that some tests compare with; undefined where there is none:
 * then those tests are skipped, and say so.
 */
export function sharedMaterialFolder(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const given = environment.CROSSMODEL_SHARED?.trim();
  return given === undefined || given === '' ? undefined : given;
}
