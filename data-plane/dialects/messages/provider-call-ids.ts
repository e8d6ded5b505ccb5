const FOREIGN_CHARACTERS = /[^a-zA-Z0-9_-]/g;

/**
 * Call ids that the provider accepts: of its alphabet and unique in the conversation. Other providers repeat theirs from
 * turn to turn or use other characters. The same history yields the same ids, so that a cached prefix stays one.
 */
export class ProviderCallIds {
  readonly #taken = new Set<string>();
  readonly #open = new Map<string, string[]>();

  forCall(id: string): string {
    const wanted = id.replace(FOREIGN_CHARACTERS, '_') || 'call';
    let given = wanted;
    for (let count = 2; this.#taken.has(given); count += 1) given = `${wanted}_${count}`;
    this.#taken.add(given);
    const open = this.#open.get(id);
    if (open === undefined) this.#open.set(id, [given]);
    else open.push(given);
    return given;
  }

  /** The id of the call that a result answers; `undefined` when there is none. */
  forResult(id: string): string | undefined {
    const open = this.#open.get(id);
    if (open === undefined) return undefined;
    return open.length > 1 ? open.shift() : open[0];
  }
}
