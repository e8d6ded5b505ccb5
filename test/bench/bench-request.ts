import type { BenchRequest } from './bench-connection.ts';
import type { BenchTarget } from './targets.ts';

/** What the provider is asked to answer; 0 chunks: one whole answer. */
export interface WantedAnswer {
  readonly chunks: number;
  readonly delayMs: number;
  /** Of text in each chunk. */
  readonly bytes: number;
}

export const WHOLE_ANSWER: WantedAnswer = { chunks: 0, delayMs: 0, bytes: 0 };

/** A chat request; `padding` makes its text longer. */
export function chatRequest(target: BenchTarget, wanted: WantedAnswer, padding = ''): BenchRequest {
  const isStream = wanted.chunks > 0;
  const extra = isStream ? { stream: true, stream_options: { include_usage: true } } : {};
  const body = { model: target.model, messages: messagesOf(wanted, padding), max_tokens: 200, ...extra };
  return requestOf(target, '/v1/chat/completions', body, isStream, 'data: [DONE]');
}

/** A Messages request, which our product translates for a provider of chat completions. */
export function messagesRequest(target: BenchTarget, wanted: WantedAnswer): BenchRequest {
  const body = { model: target.model, max_tokens: 200, messages: messagesOf(wanted, ''), stream: true };
  return requestOf(target, '/v1/messages', body, true, 'event: message_stop');
}

/** A chat request with a picture of so many bytes within it. */
export function pictureRequest(target: BenchTarget, pictureBytes: number): BenchRequest {
  const url = `data:image/png;base64,${Buffer.alloc(pictureBytes, 7).toString('base64')}`;
  const content = [
    { type: 'text', text: 'bench:0,0,0 What is this?' },
    { type: 'image_url', image_url: { url } },
  ];
  const body = { model: target.model, messages: [{ role: 'user', content }], max_tokens: 200 };
  return requestOf(target, '/v1/chat/completions', body, false, '');
}

function messagesOf({ chunks, delayMs, bytes }: WantedAnswer, padding: string): object[] {
  return [
    { role: 'user', content: `bench:${chunks},${delayMs},${bytes} Write about the sea, please. ${padding}` },
  ];
}

function requestOf(
  target: BenchTarget,
  path: string,
  body: object,
  isStream: boolean,
  endMark: string,
): BenchRequest {
  const text = Buffer.from(JSON.stringify(body));
  const head = `POST ${path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer ${target.key}\r\n`;
  const rest = `content-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n`;
  return { bytes: Buffer.concat([Buffer.from(head + rest), text]), isStream, endMark };
}
