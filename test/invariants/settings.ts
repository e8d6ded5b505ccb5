/** What a simulated data-plane process is told by the simulation that starts it. */
export interface LentProcessSettings {
  readonly redisUrl: string;
  readonly home: string;
  readonly slot: number;
  readonly slotCount: number;
}

export function readLentProcessSettings(environment: NodeJS.ProcessEnv = process.env): LentProcessSettings {
  const { REDIS_URL: redisUrl, CROSSMODEL_HOME: home, SLOT: slot, SLOT_COUNT: slotCount } = environment;
  if (redisUrl === undefined || home === undefined)
    throw new Error('REDIS_URL and CROSSMODEL_HOME are needed');
  return { redisUrl, home, slot: Number(slot), slotCount: Number(slotCount) };
}

/** The search path, for processes that are given nothing else of this one. */
export function searchPath(environment: NodeJS.ProcessEnv = process.env): string {
  return environment.PATH ?? '';
}
