import { parentPort } from 'node:worker_threads';
import { chatClientCodec } from '#data-plane/dialects/chat/chat-codec.ts';
import { isJsonObject } from '#data-plane/dialects/json-access.ts';
import { decodeCountRequest } from '#data-plane/dialects/messages/decode-request.ts';
import { responsesClient } from '#data-plane/dialects/responses/responses-codec.ts';
import type { JsonObject, TurnRequest } from '#data-plane/dialects/turn.ts';
import { type Fault, isFault } from '#shared/fault.ts';
import type { Dialect } from '#shared/usage-record.ts';
import { countText } from './count-text.ts';
import { measurePrompt, type PromptMeasure } from './prompt-measure.ts';

/**
 * A thread that measures prompts: the tokenizer's tables take 70 MB and its work up to a tenth of a second per prompt, which
 * neither the memory of an idle process nor the loop that serves streams should bear.
 */
export interface MeasureJob {
  readonly id: number;
  readonly dialect: Dialect;
  readonly body: Uint8Array;
}

export interface MeasureResult {
  readonly id: number;
  /** `undefined`: the body is no request of its dialect. */
  readonly measure: PromptMeasure | undefined;
}

const DECODERS: Readonly<Record<Dialect, (body: JsonObject) => TurnRequest | Fault>> = {
  chat: chatClientCodec.decodeRequest,
  responses: responsesClient.decodeRequest,
  messages: decodeCountRequest,
};

parentPort?.on('message', ({ id, dialect, body }: MeasureJob) => {
  const result: MeasureResult = { id, measure: measureBody(dialect, body) };
  parentPort?.postMessage(result);
});

function measureBody(dialect: Dialect, body: Uint8Array): PromptMeasure | undefined {
  try {
    const json: unknown = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString());
    if (!isJsonObject(json)) return undefined;
    const turn = DECODERS[dialect](json);
    return isFault(turn) ? undefined : measurePrompt(turn, countText);
  } catch {
    // Without a measure there is an estimate by size: worse, but no reason to fail a request.
    return undefined;
  }
}
