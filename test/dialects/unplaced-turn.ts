import type { TurnRequest } from '#data-plane/dialects/turn.ts';

const PLACES: ReadonlySet<string> = new Set(['at', 'phaseAt', 'names']);

/** A turn without the client's names for what it asks, as two clients of different dialects would share it. */
export function unplaced(turn: TurnRequest): TurnRequest {
  return { ...(withoutPlaces(turn) as TurnRequest), extras: turn.extras };
}

function withoutPlaces(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPlaces);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([name]) => !PLACES.has(name));
  return Object.fromEntries(kept.map(([name, inner]) => [name, withoutPlaces(inner)]));
}
