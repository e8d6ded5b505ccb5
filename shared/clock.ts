/** Time as a dependency, so that tests can bring a clock of their own. */
export interface Clock {
  /** Unix time in ms. */
  nowMs(): number;
  /** Monotonic time in ms, for durations only. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
