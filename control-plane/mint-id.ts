import { systemClock } from '#shared/clock.ts';
import { createIdMinter } from '#shared/identifiers.ts';

/** Ids of everything that the control plane creates: UUIDv7, so that the order of ids is the order of creation. */
export const mintId = createIdMinter(systemClock);
