import Stripe from 'stripe';
import type { BookedEvent } from './stripe-book.ts';

/** How badly the network behaves between the stand-in and our endpoint. */
export interface DeliveryConduct {
  /** How often each event is sent. */
  readonly copies: number;
  /** Each copy waits a random time up to this: events overtake one another. */
  readonly maxDelayMs: number;
}

export const PROMPT_DELIVERY: DeliveryConduct = { copies: 1, maxDelayMs: 0 };

const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 5_000;
const MAX_TRIES = 40;
const TIMEOUT_MS = 10_000;

/** Sends signed events to one endpoint, again and again until it says that it has them. */
export class WebhookSender {
  conduct: DeliveryConduct = PROMPT_DELIVERY;
  readonly #url: string;
  readonly #secret: string;
  readonly #stripe = new Stripe('sk_test_signs_webhooks_only');
  readonly #stopped = new AbortController();
  #pending = 0;

  constructor(url: string, secret: string) {
    this.#url = url;
    this.#secret = secret;
  }

  /** Copies that the endpoint has not taken yet. */
  get pending(): number {
    return this.#pending;
  }

  send(event: BookedEvent): void {
    for (let copy = 0; copy < this.conduct.copies; copy += 1) {
      this.#pending += 1;
      setTimeout(() => void this.#deliver(event), Math.random() * this.conduct.maxDelayMs);
    }
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #deliver(event: BookedEvent): Promise<void> {
    for (let tries = 0; tries < MAX_TRIES && !this.#stopped.signal.aborted; tries += 1) {
      if (await this.#try(event)) break;
      const pauseMs = Math.min(FIRST_RETRY_MS * 2 ** tries, MAX_RETRY_MS);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    this.#pending -= 1;
  }

  async #try(event: BookedEvent): Promise<boolean> {
    const body = JSON.stringify(eventObject(event));
    const signature = this.#stripe.webhooks.generateTestHeaderString({ payload: body, secret: this.#secret });
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'stripe-signature': signature },
        body,
        signal: AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      await response.body?.cancel();
      return response.ok;
    } catch {
      return false;
    }
  }
}

export function eventObject(event: BookedEvent) {
  return {
    id: event.id,
    object: 'event',
    api_version: Stripe.API_VERSION,
    created: event.createdS,
    data: { object: event.object },
    livemode: false,
    pending_webhooks: 1,
    request: { id: null, idempotency_key: null },
    type: event.type,
  };
}
