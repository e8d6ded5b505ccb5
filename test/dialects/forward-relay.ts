import type { AnswerReader, ForwardDialect, ProviderFault } from '#data-plane/dialects/dialect.ts';
import type { StreamState } from '#data-plane/lanes/lane.ts';
import { StreamRelay } from '#data-plane/lanes/stream-relay.ts';

export const SHOWN_MODEL = 'vendor/shown-model';

/** What a stream has become on the forward lane. */
export interface Relayed {
  readonly state: StreamState;
  readonly bytes: Buffer;
  readonly reader: AnswerReader;
  readonly failure: () => ProviderFault;
  readonly deliveredContent: boolean;
}

/** Relays `pieces` of a provider's stream as the forward lane does, under the name `model`. */
export function relay(dialect: ForwardDialect, pieces: readonly Buffer[], model = SHOWN_MODEL): Relayed {
  const written: Buffer[] = [];
  const reader = dialect.createAnswerReader();
  const lane = new StreamRelay({
    writer: { write: (bytes) => written.push(Buffer.from(bytes)) },
    reader,
    dialect,
    modelName: Buffer.from(JSON.stringify(model)),
    hidesUsageChunk: false,
  });
  let state: StreamState = 'open';
  for (const piece of pieces) {
    if (state === 'open') state = lane.push(Buffer.from(piece));
  }
  if (state === 'open') state = lane.finish();
  if (state === 'complete') written.push(Buffer.from(lane.lastBytes()));
  return {
    state,
    bytes: Buffer.concat(written),
    reader,
    failure: () => lane.failure(undefined),
    deliveredContent: lane.deliveredContent,
  };
}

/** Cuts of `bytes` at arbitrary places, the same for the same seed; inside characters and line ends, too. */
export function cutAnywhere(bytes: Buffer, seed: number, mostBytes: number): Buffer[] {
  let state = seed + 1;
  const pieces: Buffer[] = [];
  for (let from = 0; from < bytes.length; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const size = 1 + (state % mostBytes);
    pieces.push(bytes.subarray(from, from + size));
    from += size;
  }
  return pieces;
}

/** Payloads of a stream, read without the code under test. */
export function payloadsOf(stream: Buffer): Record<string, unknown>[] {
  return stream
    .toString()
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:') && !line.includes('[DONE]'))
    .map((line) => JSON.parse(line.slice('data:'.length)));
}
