import type { UsageRecord } from '#shared/usage-record.ts';

interface Ending {
  readonly dialect: string;
  readonly status: string;
  readonly code: string;
  count: number;
}

/** How many requests ended in which way, since this process began. */
export class RequestCounts {
  /** Requests whose key nobody knows; they leave no record. */
  strangers = 0;
  readonly #endings = new Map<string, Ending>();
  /** The ending of the last request: most are alike. */
  #last: Ending | undefined;

  add({ dialect, status, errorCode, count }: UsageRecord): void {
    const code = errorCode ?? '';
    let ending = this.#last;
    if (ending?.dialect !== dialect || ending.status !== status || ending.code !== code)
      ending = this.#endingOf(dialect, status, code);
    ending.count += count;
    this.#last = ending;
  }

  #endingOf(dialect: string, status: string, code: string): Ending {
    const name = `${dialect} ${status} ${code}`;
    let ending = this.#endings.get(name);
    if (ending === undefined) {
      ending = { dialect, status, code, count: 0 };
      this.#endings.set(name, ending);
    }
    return ending;
  }

  /** One entry per dialect, status and error code that has occurred. */
  endings(): Iterable<Readonly<Ending>> {
    return this.#endings.values();
  }
}
