import {
  type AnswerReader,
  type ForwardDialect,
  PIECES,
  type ProviderFault,
} from '#data-plane/dialects/dialect.ts';
import type { ResponseWriter } from '#data-plane/http/response-writer.ts';
import { spliceBytes } from '#data-plane/json/splice-json.ts';
import type { Fault } from '#shared/fault.ts';
import type { TokenUsage } from '#shared/token-usage.ts';
import type { AnswerLane, AnswerRelay } from './lane.ts';
import { StreamRelay } from './stream-relay.ts';

export interface ForwardLaneOptions {
  readonly dialect: ForwardDialect;
  readonly hidesUsageChunk: boolean;
  /** The catalog id as a JSON string, quotes included. */
  readonly modelName: Buffer;
  /** Public id of the request. */
  readonly requestId: string;
}

/** The lane of equal dialects: bytes pass, only the model name is changed. */
export class ForwardLane implements AnswerLane {
  readonly #options: ForwardLaneOptions;
  readonly #reader: AnswerReader;

  constructor(options: ForwardLaneOptions) {
    this.#options = options;
    this.#reader = options.dialect.createAnswerReader();
  }

  get usage(): TokenUsage | undefined {
    return this.#reader.usage;
  }

  get textBytes(): number {
    return this.#reader.textBytes;
  }

  openRelay(writer: ResponseWriter): AnswerRelay {
    return new StreamRelay({ writer, reader: this.#reader, ...this.#options });
  }

  readBody(body: Buffer, retryAfterMs: number | undefined): Buffer | ProviderFault | undefined {
    switch (this.#reader.readBody(body)) {
      case PIECES.content: {
        const { modelStart, modelEnd } = this.#reader;
        if (modelEnd === 0) return body;
        return spliceBytes(body, [{ start: modelStart, end: modelEnd, bytes: this.#options.modelName }]);
      }
      case PIECES.error:
        return this.readFault(200, retryAfterMs, body);
      default:
        return undefined;
    }
  }

  readFault(status: number, retryAfterMs: number | undefined, body: Buffer): ProviderFault {
    return this.#options.dialect.readProviderFault(status, retryAfterMs, body);
  }

  encodeStreamFault(fault: Fault): Buffer {
    const { dialect, requestId } = this.#options;
    return dialect.encodeStreamFault(fault, requestId, this.#reader.nextSequenceNumber);
  }
}
