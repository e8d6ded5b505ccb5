import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

/** What happens when a card is charged. */
export type CardConduct =
  | 'pays'
  | 'declined'
  | 'insufficient_funds'
  | 'asks_for_confirmation'
  | 'declines_after_first';

export interface BookedMethod {
  readonly id: string;
  readonly type: 'card' | 'alipay';
  readonly brand: string;
  readonly last4: string;
  readonly fingerprint: string;
  readonly conduct: CardConduct;
  readonly createdS: number;
  customer: string | null;
  charges: number;
}

export interface BookedIntent {
  readonly id: string;
  readonly clientSecret: string;
  readonly amount: number;
  readonly currency: string;
  readonly customer: string | null;
  readonly createdS: number;
  readonly description: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly keepsCard: boolean;
  /** Set where the options of the card method say so, as Checkout does. */
  readonly keepsCardByOption: boolean;
  readonly returnUrl: string | null;
  status: 'requires_payment_method' | 'requires_action' | 'processing' | 'succeeded' | 'canceled';
  method: string | null;
  charge: string | null;
  lastError: { readonly code: string; readonly declineCode: string | null; readonly message: string } | null;
  amountRefunded: number;
}

export interface BookedSession {
  readonly id: string;
  readonly customer: string | null;
  readonly clientReferenceId: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly intentMetadata: Readonly<Record<string, string>>;
  readonly description: string | null;
  readonly lines: readonly { readonly name: string; readonly amount: number }[];
  readonly keepsCard: boolean;
  readonly successUrl: string;
  readonly cancelUrl: string;
  readonly createdS: number;
  readonly expiresS: number;
  status: 'open' | 'complete' | 'expired';
  paymentStatus: 'unpaid' | 'paid';
  intent: string | null;
}

export interface BookedRefund {
  readonly id: string;
  readonly intent: string;
  readonly amount: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly createdS: number;
  status: 'pending' | 'succeeded' | 'failed';
}

export interface BookedDispute {
  readonly id: string;
  readonly intent: string;
  readonly amount: number;
  readonly createdS: number;
  status: 'needs_response' | 'won' | 'lost';
}

export interface BookedEvent {
  readonly id: string;
  readonly type: string;
  readonly createdS: number;
  /** The API object as it was. */
  readonly object: unknown;
}

interface BookContent {
  customers: Record<
    string,
    {
      readonly id: string;
      readonly name: string | null;
      readonly createdS: number;
      readonly metadata: Record<string, string>;
    }
  >;
  methods: Record<string, BookedMethod>;
  intents: Record<string, BookedIntent>;
  sessions: Record<string, BookedSession>;
  refunds: Record<string, BookedRefund>;
  disputes: Record<string, BookedDispute>;
  events: BookedEvent[];
  /** Idempotency key → what was sent with it and answered. */
  replays: Record<string, { readonly request: string; readonly status: number; readonly body: string }>;
}

const SAVE_AFTER_MS = 100;

/** Everything that the stand-in knows: its own truth, against which tests hold our ledger. Kept in a file if it has one. */
export class StripeBook implements BookContent {
  customers: BookContent['customers'] = {};
  methods: BookContent['methods'] = {};
  intents: BookContent['intents'] = {};
  sessions: BookContent['sessions'] = {};
  refunds: BookContent['refunds'] = {};
  disputes: BookContent['disputes'] = {};
  events: BookContent['events'] = [];
  replays: BookContent['replays'] = {};
  readonly #file: string | null;
  #saving: NodeJS.Timeout | undefined;

  constructor(file: string | null) {
    this.#file = file;
    if (file !== null && existsSync(file)) Object.assign(this, JSON.parse(readFileSync(file, 'utf8')));
  }

  /** An id as Stripe makes them: `pi_3…`. */
  mint(prefix: string): string {
    return `${prefix}_${randomBytes(12).toString('hex')}`;
  }

  changed(): void {
    if (this.#file === null || this.#saving !== undefined) return;
    this.#saving = setTimeout(() => this.save(), SAVE_AFTER_MS);
  }

  save(): void {
    clearTimeout(this.#saving);
    this.#saving = undefined;
    if (this.#file === null) return;
    const { customers, methods, intents, sessions, refunds, disputes, events, replays } = this;
    const text = JSON.stringify({
      customers,
      methods,
      intents,
      sessions,
      refunds,
      disputes,
      events,
      replays,
    });
    writeFileSync(`${this.#file}.new`, text, { mode: 0o600 });
    renameSync(`${this.#file}.new`, this.#file);
  }
}

/** Seconds since 1970, as everything at Stripe counts. */
export type NowS = () => number;
