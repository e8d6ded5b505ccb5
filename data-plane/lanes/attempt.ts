import type { OutputGuard } from '#data-plane/admission/output-guard.ts';
import type { ProviderFault } from '#data-plane/dialects/dialect.ts';
import { providerFailed } from '#data-plane/dialects/provider-error-wording.ts';
import type { HeaderList, ResponseWriter } from '#data-plane/http/response-writer.ts';
import type { SilenceWatch, Watched } from '#data-plane/upstream/silence-watch.ts';
import type {
  UpstreamCall,
  UpstreamClient,
  UpstreamFailure,
  UpstreamHandler,
  UpstreamHeaders,
  UpstreamRequest,
} from '#data-plane/upstream/upstream-client.ts';
import type { Fault } from '#shared/fault.ts';
import type { AttemptOutcome, AttemptOwner, FailureReason } from './attempt-outcome.ts';
import type { AnswerLane, AnswerRelay, StreamState } from './lane.ts';
import { readRetryAfterMs } from './retry-after.ts';

/** How long each kind of silence may last, ms. */
export interface SilenceLimits {
  /** From the request to the head of the provider's answer. */
  readonly firstByteTimeoutMs: number;
  /** Between two signs of life of an answer; comments and heartbeats are none. */
  readonly idleTimeoutMs: number;
  /** After this much silence a streaming client hears a keep-alive of its dialect, again and again. */
  readonly keepAliveAfterMs: number;
}

/** How long the client of a stream has heard nothing, ms. */
export interface ClientSilence {
  silentMs: number;
}

export interface AttemptJob {
  readonly owner: AttemptOwner;
  readonly client: UpstreamClient;
  readonly watch: SilenceWatch;
  readonly limits: SilenceLimits;
  readonly lane: AnswerLane;
  readonly writer: ResponseWriter;
  readonly stream: boolean;
  /** Goes on from one attempt to the next. */
  readonly clientSilence: ClientSilence;
  /** Watches the output of a stream without a stated limit. */
  readonly guard: OutputGuard | undefined;
}

const MAX_ERROR_BODY_BYTES = 64 * 1024;
const MAX_ANSWER_BYTES = 128 * 1024 * 1024;
/** How long a provider may keep an answer open after its end marker before its connection is given up. */
const LINGER_MS = 5_000;

type Mode = 'awaiting_head' | 'stream' | 'body' | 'error' | 'concluded';

/** One attempt at one provider, on a lane that makes its answer the client's. */
export class Attempt implements UpstreamHandler, Watched {
  readonly #job: AttemptJob;
  readonly #relay: AnswerRelay | undefined;
  /** Head of a successful answer that is not streamed. */
  readonly #wholeHeaders: HeaderList | undefined;
  /** Absent while the request is being handed over. */
  #call: UpstreamCall | undefined;
  #mode: Mode = 'awaiting_head';
  #status = 0;
  #retryAfterMs: number | undefined;
  #pieces: Buffer[] = [];
  #bodyBytes = 0;
  #silentMs = 0;
  #paused = false;
  /** Paused until it is known whether there is money for more. */
  #waitsForMoney = false;
  #needsFlush = false;

  /** `successHeaders`: head of a successful answer. */
  constructor(job: AttemptJob, successHeaders: HeaderList) {
    this.#job = job;
    if (job.stream) this.#relay = this.#createRelay(successHeaders);
    else this.#wholeHeaders = successHeaders;
  }

  /** Sends the request, and does not keep it: streams last. The outcome is heard later, never from within this call. */
  start(request: UpstreamRequest): void {
    const job = this.#job;
    job.writer.onAborted = () => this.#clientLeft();
    job.writer.onDrained = () => this.#clientDrained();
    job.watch.add(this);
    this.#call = job.client.send(request, this);
  }

  #createRelay(successHeaders: HeaderList): AnswerRelay {
    const { writer, lane } = this.#job;
    if (!writer.committed) writer.beginStream(200, successHeaders);
    return lane.openRelay(writer);
  }

  onHead(status: number, headers: UpstreamHeaders): void {
    if (this.#mode === 'concluded') return;
    this.#silentMs = 0;
    this.#status = status;
    this.#retryAfterMs = readRetryAfterMs(headers);
    if (status !== 200) this.#mode = 'error';
    else if (isEncoded(headers['content-encoding'])) this.#giveUp('unreadable_answer');
    else if (this.#relay === undefined) this.#mode = 'body';
    // A provider that answers a streaming request with plain JSON reports an error, whatever its status says.
    else this.#mode = isJson(headers['content-type']) ? 'error' : 'stream';
  }

  onData(piece: Buffer): void {
    switch (this.#mode) {
      case 'stream':
        this.#relayPiece(piece);
        return;
      case 'body':
      case 'error':
        this.#collect(piece);
        return;
      default:
        return;
    }
  }

  onEnd(): void {
    switch (this.#mode) {
      case 'stream':
        if (this.#relay !== undefined) this.#follow(this.#relay, this.#relay.finish());
        return;
      case 'body':
        this.#endBody(this.#collected());
        return;
      case 'error':
        this.#refused(this.#status, this.#collected());
        return;
      case 'concluded':
        this.#job.watch.remove(this);
        return;
      default:
        this.#giveUp('connection_lost');
    }
  }

  onFailure(failure: UpstreamFailure): void {
    if (this.#mode === 'concluded') this.#job.watch.remove(this);
    else if (this.#mode === 'error') this.#refused(this.#status, this.#collected());
    else this.#giveUp(failure);
  }

  tick(elapsedMs: number): void {
    if (this.#paused) return;
    this.#silentMs += elapsedMs;
    if (this.#mode === 'concluded') {
      if (this.#silentMs >= LINGER_MS) this.#stopUpstream();
      return;
    }
    const { limits } = this.#job;
    const awaitsHead = this.#mode === 'awaiting_head';
    if (this.#silentMs >= (awaitsHead ? limits.firstByteTimeoutMs : limits.idleTimeoutMs)) {
      this.#giveUp(awaitsHead ? 'first_byte_timeout' : 'idle_timeout');
      return;
    }
    if (this.#relay !== undefined) this.#keepClientAlive(elapsedMs, limits.keepAliveAfterMs);
  }

  #keepClientAlive(elapsedMs: number, keepAliveAfterMs: number): void {
    const { writer } = this.#job;
    if (this.#needsFlush) {
      this.#needsFlush = false;
      writer.flush();
      this.#afterWrite();
      return;
    }
    const { clientSilence } = this.#job;
    clientSilence.silentMs += elapsedMs;
    if (clientSilence.silentMs < keepAliveAfterMs) return;
    if (this.#relay !== undefined) writer.write(this.#relay.keepAlive());
    this.#afterWrite();
  }

  #relayPiece(piece: Buffer): void {
    const relay = this.#relay;
    if (relay === undefined) return;
    const { writer } = this.#job;
    const hadContent = relay.deliveredContent;
    const { pieceCount } = writer;
    const state = relay.push(piece);
    if (relay.sawProgress) this.#silentMs = 0;
    if (relay.deliveredContent && !hadContent) this.#job.owner.onFirstContent();
    // Not all that a provider sends is something to tell the client, who must not wait in silence meanwhile.
    if (writer.pieceCount !== pieceCount) {
      this.#needsFlush = false;
      this.#afterWrite();
    }
    if (state !== 'open') this.#follow(relay, state);
    else if (this.#job.guard !== undefined) this.#heed(this.#job.guard);
  }

  /** Goes on, waits or ends as the money for the output allows. */
  #heed(guard: OutputGuard): void {
    if (this.#mode !== 'stream') return;
    switch (guard.check(this.#job.lane.textBytes)) {
      case 'wait':
        this.#waitsForMoney = true;
        guard.onDecided = () => {
          this.#waitsForMoney = false;
          this.#heed(guard);
        };
        this.#pause();
        return;
      case 'stop':
        this.#cutOff(guard.refusal);
        return;
      case 'go':
        if (!this.#job.writer.congested) this.#resume();
    }
  }

  #cutOff(fault: Fault): void {
    this.#stopUpstream();
    if (this.#relay?.deliveredContent !== true) {
      this.#conclude({ kind: 'failed', fault, retryable: false, reason: 'out_of_money' });
      return;
    }
    const { writer, lane } = this.#job;
    this.#conclude({
      kind: 'cut_off',
      fault,
      finish: () => writer.breakOff(lane.encodeStreamFault(fault)),
    });
  }

  #follow(relay: AnswerRelay, state: StreamState): void {
    switch (state) {
      case 'complete': {
        if (!relay.deliveredContent) this.#job.owner.onFirstContent();
        const lastBytes = relay.lastBytes();
        this.#conclude({ kind: 'complete', finish: () => this.#job.writer.finish(lastBytes) });
        return;
      }
      case 'error':
        this.#stopUpstream();
        this.#fail(relay.failure(this.#retryAfterMs), 'provider_refused');
        return;
      case 'garbage':
        this.#giveUp('unreadable_answer');
        return;
      case 'cut':
        this.#giveUp('answer_cut_short');
        return;
      default:
        return;
    }
  }

  /** After a write: a client that does not keep up pauses its provider. */
  #afterWrite(): void {
    this.#job.clientSilence.silentMs = 0;
    if (this.#job.writer.congested) this.#pause();
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#call?.pause();
  }

  #clientDrained(): void {
    if (this.#paused) this.#needsFlush = true;
    if (!this.#waitsForMoney) this.#resume();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#call?.resume();
  }

  #collect(piece: Buffer): void {
    this.#silentMs = 0;
    this.#bodyBytes += piece.length;
    const maxBytes = this.#mode === 'error' ? MAX_ERROR_BODY_BYTES : MAX_ANSWER_BYTES;
    if (this.#bodyBytes <= maxBytes) {
      this.#pieces.push(Buffer.from(piece));
      return;
    }
    this.#giveUp('answer_too_large');
  }

  #collected(): Buffer {
    const [first] = this.#pieces;
    return first !== undefined && this.#pieces.length === 1 ? first : Buffer.concat(this.#pieces);
  }

  #endBody(body: Buffer): void {
    const { lane, writer } = this.#job;
    const headers = this.#wholeHeaders ?? [];
    const answer = lane.readBody(body, this.#retryAfterMs);
    if (answer === undefined) {
      this.#giveUp('unreadable_answer');
      return;
    }
    if (!Buffer.isBuffer(answer)) {
      this.#fail(answer, 'provider_refused');
      return;
    }
    this.#job.owner.onFirstContent();
    this.#conclude({ kind: 'complete', finish: () => writer.respond(200, headers, answer) });
    this.#job.watch.remove(this);
  }

  /** The provider reports an error of its own. */
  #refused(status: number, body: Buffer): void {
    this.#fail(this.#job.lane.readFault(status, this.#retryAfterMs, body), 'provider_refused');
  }

  /** The provider did not answer, or not in its dialect. */
  #giveUp(reason: FailureReason): void {
    this.#stopUpstream();
    this.#fail(providerFailed(), reason);
  }

  #fail({ fault, retryable }: ProviderFault, reason: FailureReason): void {
    if (this.#mode === 'concluded') return;
    this.#job.watch.remove(this);
    if (this.#relay?.deliveredContent !== true) {
      this.#conclude({ kind: 'failed', fault, retryable, reason });
      return;
    }
    const { writer, lane } = this.#job;
    const finish = () => writer.breakOff(lane.encodeStreamFault(fault));
    this.#conclude({ kind: 'broken', fault, reason, finish });
  }

  #clientLeft(): void {
    if (this.#mode === 'concluded') return;
    this.#stopUpstream();
    this.#conclude({ kind: 'client_left' });
  }

  #stopUpstream(): void {
    this.#job.watch.remove(this);
    this.#call?.abort();
  }

  #conclude(outcome: AttemptOutcome): void {
    this.#mode = 'concluded';
    this.#silentMs = 0;
    this.#pieces = [];
    this.#resume();
    this.#job.owner.onOutcome(outcome);
  }
}

function isEncoded(header: string | readonly string[] | undefined): boolean {
  return header !== undefined && header !== 'identity';
}

function isJson(header: string | readonly string[] | undefined): boolean {
  return typeof header === 'string' && header.startsWith('application/json');
}
