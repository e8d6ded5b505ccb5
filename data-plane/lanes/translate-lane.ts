import type { AnswerIdentity, ClientCodec, JsonObject, ProviderCodec } from '#data-plane/dialects/codec.ts';
import type { ProviderFault } from '#data-plane/dialects/dialect.ts';
import { issuedBy } from '#data-plane/dialects/signature-envelope.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import type { ResponseWriter } from '#data-plane/http/response-writer.ts';
import type { Fault } from '#shared/fault.ts';
import type { TokenUsage } from '#shared/token-usage.ts';
import type { AnswerLane, AnswerRelay } from './lane.ts';
import { TranslateRelay } from './translate-relay.ts';

export interface TranslateLaneOptions {
  readonly client: ClientCodec;
  readonly provider: ProviderCodec;
  readonly answer: AnswerIdentity;
  /** Vendor whose answer it is: only it can read the opaque state in it. */
  readonly issuer: string;
  /** The client dialect's error event for a stream in which nothing was said yet. */
  readonly encodeStreamFault: (fault: Fault) => Buffer;
}

/** The lane of different dialects: the provider's answer becomes turn events, those become the client's answer. */
export class TranslateLane implements AnswerLane {
  readonly #options: TranslateLaneOptions;
  #relay: TranslateRelay | undefined;
  #usage: TokenUsage | undefined;
  #textBytes = 0;

  constructor(options: TranslateLaneOptions) {
    this.#options = options;
  }

  get usage(): TokenUsage | undefined {
    return this.#relay?.usage ?? this.#usage;
  }

  get textBytes(): number {
    return this.#relay?.textBytes ?? this.#textBytes;
  }

  openRelay(writer: ResponseWriter): AnswerRelay {
    const { client, provider, answer, issuer } = this.#options;
    this.#relay = new TranslateRelay({
      writer,
      provider,
      issuer,
      createEncoder: (write) => client.createStreamEncoder(answer, write),
    });
    return this.#relay;
  }

  readBody(body: Buffer, retryAfterMs: number | undefined): Buffer | ProviderFault | undefined {
    const { client, provider, answer, issuer } = this.#options;
    const parsed = parseObject(body);
    if (parsed === undefined) return this.readFault(200, retryAfterMs, body);
    const events: TurnEvent[] = [];
    let failure: Fault | undefined;
    const emit = issuedBy(issuer, (event) => {
      if (event.kind === 'turn_fault') failure = event.fault;
      else if (event.kind === 'usage') this.#usage = event.usage;
      else if (event.kind === 'part_delta') this.#textBytes += Buffer.byteLength(event.text);
      events.push(event);
    });
    provider.decodeBody(parsed, emit);
    if (failure !== undefined) return { fault: failure, retryable: true };
    if (events.at(-1)?.kind !== 'turn_end') return undefined;
    return Buffer.from(JSON.stringify(client.encodeBody(answer, events)));
  }

  /** A provider's body about the client's mistake is in the wrong dialect here: its message goes on, its shape does not. */
  readFault(status: number, retryAfterMs: number | undefined, body: Buffer): ProviderFault {
    const { fault, retryable } = this.#options.provider.readProviderFault(status, retryAfterMs, body);
    const { relayed: _, ...own } = fault;
    return { fault: own, retryable };
  }

  encodeStreamFault(fault: Fault): Buffer {
    return this.#relay?.faultBytes(fault) ?? this.#options.encodeStreamFault(fault);
  }
}

function parseObject(body: Buffer): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as JsonObject)
      : undefined;
  } catch {
    return undefined;
  }
}
