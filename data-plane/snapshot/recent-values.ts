const GENERATION_SIZE = 8_192;

/** The values used last, between 8,192 and 16,384 of them; so many are as quick to find as in a map of their own. */
export class RecentValues<Value> {
  #young = new Map<string, Value>();
  #old = new Map<string, Value>();

  get(name: string): Value | undefined {
    const young = this.#young.get(name);
    if (young !== undefined) return young;
    const old = this.#old.get(name);
    if (old !== undefined) this.set(name, old);
    return old;
  }

  set(name: string, value: Value): void {
    if (this.#young.size >= GENERATION_SIZE) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(name, value);
  }

  delete(name: string): void {
    this.#young.delete(name);
    this.#old.delete(name);
  }
}
