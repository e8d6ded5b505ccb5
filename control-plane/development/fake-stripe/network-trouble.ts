/** How the network and Stripe misbehave for a request that is to come. */
export type Trouble =
  /** Answers with this status without doing anything. */
  | { readonly kind: 'status'; readonly status: number }
  /** Closes the connection without doing anything. */
  | { readonly kind: 'reset' }
  /** Does what was asked, and closes the connection instead of answering. */
  | { readonly kind: 'answer_lost' }
  /** Does what was asked after so long; meanwhile its idempotency key is in use. */
  | { readonly kind: 'slow'; readonly delayMs: number };

/** Trouble that tests order for requests to a path; nothing happens unless it is ordered. */
export class NetworkTrouble {
  readonly #ordered: { readonly path: RegExp; readonly trouble: Trouble; left: number }[] = [];

  /** The next `times` requests whose path matches meet this. */
  order(path: RegExp, trouble: Trouble, times = 1): void {
    this.#ordered.push({ path, trouble, left: times });
  }

  clear(): void {
    this.#ordered.length = 0;
  }

  next(path: string): Trouble | undefined {
    const found = this.#ordered.find((each) => each.left > 0 && each.path.test(path));
    if (found === undefined) return undefined;
    found.left -= 1;
    return found.trouble;
  }
}
