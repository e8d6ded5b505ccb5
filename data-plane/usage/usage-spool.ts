import type { UsageRecord } from '#shared/usage-record.ts';

/** The append-only file that a record is in before the last byte of its response leaves. */
export interface UsageSpool {
  /** False when the spool is full or its disk failed: new requests get `model_unavailable`. */
  readonly accepting: boolean;
  /**
   * Queues `record`; all records of a tick go out in one write. `onSpooled` runs once the write is done: send the last
   * byte there. A failed write still calls it (the response must end) and turns `accepting` off.
   */
  append(record: UsageRecord, onSpooled: () => void): void;
}
