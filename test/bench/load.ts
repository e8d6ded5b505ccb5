import { connect, type Socket } from 'node:net';

export interface LoadTarget {
  readonly port: number;
  readonly key: string;
  readonly model: string;
}

export interface LoadResult {
  /** Whole answers. */
  readonly answers: number;
  /** Streamed events. */
  readonly events: number;
  /** Answers that were no success or not complete. */
  readonly failures: number;
  /** From sending a request to the first byte of its answer, ms, sorted. */
  readonly firstByteMs: readonly number[];
}

const STREAM_END = 'data: [DONE]\n\n';

/** Keeps `connections` requests under way for `durationMs`, each connection one after the other. */
export async function runLoad(
  target: LoadTarget,
  options: { readonly connections: number; readonly durationMs: number; readonly stream: boolean },
): Promise<LoadResult> {
  const counts = { answers: 0, events: 0, failures: 0 };
  const firstByteMs: number[] = [];
  const untilMs = performance.now() + options.durationMs;
  const request = requestText(target, options.stream);
  const clients = Array.from({ length: options.connections }, () =>
    runClient(target.port, request, options.stream, untilMs, counts, firstByteMs),
  );
  await Promise.all(clients);
  return { ...counts, firstByteMs: firstByteMs.sort((left, right) => left - right) };
}

function requestText({ key, model }: LoadTarget, stream: boolean): string {
  const messages = [{ role: 'user', content: 'Write one short sentence about the sea, please.' }];
  const extra = stream ? { stream: true, stream_options: { include_usage: true } } : {};
  const body = JSON.stringify({ model, messages, max_tokens: 200, ...extra });
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer ${key}\r\n`;
  return `${head}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

function runClient(
  port: number,
  request: string,
  stream: boolean,
  untilMs: number,
  counts: { answers: number; events: number; failures: number },
  firstByteMs: number[],
): Promise<void> {
  return new Promise((resolve) => {
    let text = '';
    let sentAtMs = 0;
    const socket: Socket = connect(port, '127.0.0.1');
    const ask = (): void => {
      text = '';
      sentAtMs = performance.now();
      socket.write(request);
    };
    socket.setNoDelay(true);
    socket.on('connect', ask);
    socket.on('error', () => {
      counts.failures += 1;
    });
    socket.on('close', () => resolve());
    socket.on('data', (piece) => {
      if (text === '') firstByteMs.push(performance.now() - sentAtMs);
      text += piece.toString('latin1');
      if (!isWhole(text, stream)) return;
      if (text.startsWith('HTTP/1.1 200')) counts.answers += 1;
      else counts.failures += 1;
      if (stream) counts.events += text.split('\ndata: ').length;
      if (performance.now() < untilMs) ask();
      else socket.destroy();
    });
  });
}

function isWhole(text: string, stream: boolean): boolean {
  if (stream && text.startsWith('HTTP/1.1 200'))
    return text.includes(STREAM_END) && text.endsWith('0\r\n\r\n');
  const headEnd = text.indexOf('\r\n\r\n');
  const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
  return headEnd !== -1 && text.length >= headEnd + 4 + length;
}
