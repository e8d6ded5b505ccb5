import { expect } from 'vitest';

/** One subscription over server-sent events, read by hand. */
export interface EventReader {
  readonly status: number;
  readonly contentType: string;
  /** Comments that came so far; they keep the connection alive. */
  comments(): number;
  /** The data of the next `next` event; `undefined` once the stream is complete. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read whatever shape they asked for, and fail where it differs
  next(): Promise<any>;
  /** Leaves without a word, as a closed browser does. */
  leave(): void;
}

/** Subscribes by the "distinct connections" mode of GraphQL over SSE. */
export async function subscribe(
  url: string,
  document: string,
  headers: Readonly<Record<string, string>>,
): Promise<EventReader> {
  const controller = new AbortController();
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
    body: JSON.stringify({ query: document }),
    signal: controller.signal,
  });
  const pieces = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  let comments = 0;
  const nextBlock = async (): Promise<string | undefined> => {
    for (;;) {
      const end = text.indexOf('\n\n');
      if (end !== -1) {
        const block = text.slice(0, end);
        text = text.slice(end + 2);
        return block;
      }
      const piece = await pieces?.read();
      if (piece === undefined || piece.done) return undefined;
      text += piece.value;
    }
  };
  return {
    status: response.status,
    contentType: response.headers.get('content-type') ?? '',
    comments: () => comments,
    next: async () => {
      for (;;) {
        const block = await nextBlock();
        if (block === undefined) throw new Error('The connection was cut');
        if (block.startsWith(':')) {
          comments += 1;
          continue;
        }
        const [event, ...data] = block.split('\n');
        if (event === 'event: complete') return undefined;
        expect(event).toBe('event: next');
        return JSON.parse(data.map((line) => line.replace(/^data: ?/, '')).join('\n'));
      }
    },
    leave: () => controller.abort(),
  };
}
