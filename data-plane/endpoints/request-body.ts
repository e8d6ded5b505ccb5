import type { ClientDialect } from '#data-plane/dialects/client-dialect.ts';
import type { JsonObject, TurnRequest } from '#data-plane/dialects/turn.ts';
import { type Fault, isFault } from '#shared/fault.ts';

/** What a body says, in the words of no dialect. */
export interface UnderstoodBody {
  readonly json: JsonObject;
  readonly turn: TurnRequest;
}

/** A request as it came, and its meaning once a route needs that: a fallback of another protocol is rarely reached. */
export class RequestBody {
  readonly #dialect: ClientDialect;
  #bytes: Buffer;
  #understood: UnderstoodBody | Fault | undefined;

  constructor(dialect: ClientDialect, bytes: Buffer) {
    this.#dialect = dialect;
    this.#bytes = bytes;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** The byte scanner has already found the body to be a JSON object. */
  understand(): UnderstoodBody | Fault {
    this.#understood ??= this.#decode();
    return this.#understood;
  }

  /** Gives back the memory, once no other provider will be asked. */
  forget(): void {
    this.#bytes = FORGOTTEN;
    this.#understood = undefined;
  }

  #decode(): UnderstoodBody | Fault {
    const json = parseBody(this.#bytes);
    const turn = this.#dialect.codec.decodeRequest(json);
    return isFault(turn) ? turn : { json, turn };
  }
}

const FORGOTTEN = Buffer.alloc(0);

/** Parses a body that the byte scanner has already found to be a JSON object. */
export function parseBody(bytes: Buffer): JsonObject {
  return JSON.parse(bytes.toString('utf8')) as JsonObject;
}
