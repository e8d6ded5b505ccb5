const FOREIGN_CHARACTERS = /[^a-zA-Z0-9_-]/g;

interface CallsOfOneId {
  /** Given ids of calls without a result so far. */
  readonly open: string[];
  answered: string | undefined;
}

/**
 * Call ids that the provider accepts: of its alphabet and unique in the conversation. Other providers repeat theirs from
 * turn to turn or use other characters. The same history yields the same ids, so that a cached prefix stays one.
 */
export class ProviderCallIds {
  readonly #taken = new Set<string>();
  readonly #calls = new Map<string, CallsOfOneId>();

  forCall(id: string): string {
    const wanted = id.replace(FOREIGN_CHARACTERS, '_') || 'call';
    let given = wanted;
    for (let count = 2; this.#taken.has(given); count += 1) given = `${wanted}_${count}`;
    this.#taken.add(given);
    const calls = this.#calls.get(id);
    if (calls === undefined) this.#calls.set(id, { open: [given], answered: undefined });
    else calls.open.push(given);
    return given;
  }

  /** The id of the call that a result answers, calls of the same id in their order; `undefined` when there is none. */
  forResult(id: string): string | undefined {
    const calls = this.#calls.get(id);
    if (calls === undefined) return undefined;
    calls.answered = calls.open.shift() ?? calls.answered;
    return calls.answered;
  }
}
