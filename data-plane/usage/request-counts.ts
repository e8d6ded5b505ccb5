import type { UsageRecord } from '#shared/usage-record.ts';

/** How many requests ended in which way, since this process began. */
export class RequestCounts {
  /** Requests whose key nobody knows; they leave no record. */
  strangers = 0;
  readonly #byEnding = new Map<string, number>();

  add({ dialect, status, errorCode, count }: UsageRecord): void {
    const ending = `${dialect} ${status} ${errorCode ?? ''}`;
    this.#byEnding.set(ending, (this.#byEnding.get(ending) ?? 0) + count);
  }

  /** One entry per dialect, status and error code that has occurred. */
  *endings(): Iterable<{ dialect: string; status: string; code: string; count: number }> {
    for (const [ending, count] of this.#byEnding) {
      const [dialect = '', status = '', code = ''] = ending.split(' ');
      yield { dialect, status, code, count };
    }
  }
}
