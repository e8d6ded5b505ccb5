/** What the simulation and a simulated data-plane process tell each other over the IPC channel. Amounts are decimal text. */
export interface RequestOrder {
  readonly kind: 'request';
  readonly number: number;
  /** JSON of a `SnapshotKey`. */
  readonly key: string;
  readonly holdNano: string;
  readonly tokens: number;
  /** Between admission and settlement, ms. */
  readonly durationMs: number;
  /** JSON of the `UsageRecord` to write when it is over; its id and cost are the simulation's. */
  readonly record: string;
  /** The record is written a second time, as a confused process might. */
  readonly twice: boolean;
}

export type LentOrder =
  | RequestOrder
  | { readonly kind: 'step_clock'; readonly byMs: number }
  | { readonly kind: 'stop' };

export type LentReport =
  | { readonly kind: 'ready'; readonly spoolId: string }
  | { readonly kind: 'admitted'; readonly number: number }
  /** Its last byte may leave: from here on the request is complete for its client. */
  | { readonly kind: 'completed'; readonly number: number }
  | { readonly kind: 'refused'; readonly number: number; readonly reason: string };
