import { connect, type Socket } from 'node:net';

/** A request ready to be sent, and how its answer is known to be whole. */
export interface BenchRequest {
  readonly bytes: Buffer;
  readonly isStream: boolean;
  /** What a whole stream ends with. */
  readonly endMark: string;
}

export interface BenchAnswer {
  readonly isWhole: boolean;
  /** Streamed events. */
  readonly events: number;
  readonly firstByteMs: number;
  readonly totalMs: number;
}

const LAST_CHUNK = Buffer.from('0\r\n\r\n');
const EVENT = 'data: ';

/** One connection that sends one request after the other, as cheaply as Node can. */
export class BenchConnection {
  readonly socket: Socket;
  /** Bytes of the answer under way. */
  receivedBytes = 0;
  #pieces: Buffer[] = [];
  #request: BenchRequest | undefined;
  #sentAtMs = 0;
  #firstByteMs = 0;
  #wantedBytes = 0;
  #onAnswer: (answer: BenchAnswer) => void = () => undefined;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setNoDelay(true);
    this.socket.on('error', () => undefined);
    this.socket.on('data', (piece) => this.#read(piece));
    this.socket.on('close', () => this.#end(false));
  }

  /** Resolves when the answer is whole or the connection is gone; never rejects. */
  ask(request: BenchRequest): Promise<BenchAnswer> {
    this.#request = request;
    this.#pieces = [];
    this.receivedBytes = 0;
    this.#wantedBytes = 0;
    this.#sentAtMs = performance.now();
    this.#firstByteMs = Number.NaN;
    return new Promise((resolve) => {
      this.#onAnswer = resolve;
      if (this.socket.destroyed) this.#end(false);
      else this.socket.write(request.bytes);
    });
  }

  /** Whether an answer is still to come or on its way. */
  get isAsking(): boolean {
    return this.#request !== undefined;
  }

  close(): void {
    this.socket.destroy();
  }

  #read(piece: Buffer): void {
    if (this.receivedBytes === 0) this.#firstByteMs = performance.now() - this.#sentAtMs;
    this.receivedBytes += piece.length;
    this.#pieces.push(piece);
    if (this.#request?.isStream === true) {
      if (piece.subarray(-LAST_CHUNK.length).equals(LAST_CHUNK)) this.#end(true);
      return;
    }
    if (this.#wantedBytes === 0) this.#wantedBytes = lengthOf(this.#pieces);
    if (this.#wantedBytes > 0 && this.receivedBytes >= this.#wantedBytes) this.#end(true);
  }

  #end(isComplete: boolean): void {
    const request = this.#request;
    if (request === undefined) return;
    this.#request = undefined;
    const text = Buffer.concat(this.#pieces).toString('latin1');
    this.#pieces = [];
    const isGood = isComplete && text.startsWith('HTTP/1.1 200');
    this.#onAnswer({
      isWhole: isGood && (!request.isStream || text.includes(request.endMark)),
      events: text.split(EVENT).length - 1,
      firstByteMs: this.#firstByteMs,
      totalMs: performance.now() - this.#sentAtMs,
    });
  }
}

/** Bytes of an answer with a stated length, its head included; 0 while the head is not complete. */
function lengthOf(pieces: readonly Buffer[]): number {
  const text = Buffer.concat(pieces).toString('latin1');
  const headEnd = text.indexOf('\r\n\r\n');
  return headEnd === -1 ? 0 : headEnd + 4 + Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
}
