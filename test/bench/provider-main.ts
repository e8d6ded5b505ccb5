import { createServer, type Socket } from 'node:net';

/**
 * A provider that costs next to nothing: answers chat completions from memory, whole or as a stream of `chunks` events,
 * `delayMs` apart. Arguments: port, chunks, delayMs.
 */
const [port = 0, chunks = 64, delayMs = 5] = process.argv.slice(2).map(Number);
const USAGE = '"usage":{"prompt_tokens":20,"completion_tokens":64,"total_tokens":84}';
const HEAD = '{"id":"chatcmpl-1","created":1,"model":"bench",';
const WHOLE = `${HEAD}"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],${USAGE}}`;
const JSON_ANSWER = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${WHOLE.length}\r\n\r\n${WHOLE}`;
const STREAM_HEAD =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n';

function chunkOf(rest: string): string {
  const data = `data: ${HEAD}"object":"chat.completion.chunk",${rest}}\n\n`;
  return `${data.length.toString(16)}\r\n${data}\r\n`;
}

const EVENT = chunkOf(
  '"choices":[{"index":0,"delta":{"content":" and some words more"},"finish_reason":null}]',
);
const LAST = `${chunkOf('"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]')}${chunkOf(`"choices":[],${USAGE}`)}e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n`;

function answer(socket: Socket, isStream: boolean): void {
  if (!isStream) {
    socket.write(JSON_ANSWER);
    return;
  }
  socket.write(STREAM_HEAD);
  let sent = 0;
  const timer = setInterval(() => {
    sent += 1;
    socket.write(sent < chunks ? EVENT : `${EVENT}${LAST}`);
    if (sent >= chunks) clearInterval(timer);
  }, delayMs);
  socket.once('close', () => clearInterval(timer));
}

createServer((socket) => {
  let text = '';
  socket.setNoDelay(true);
  socket.on('error', () => undefined);
  socket.on('data', (piece) => {
    text += piece.toString('latin1');
    const headEnd = text.indexOf('\r\n\r\n');
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
    if (headEnd === -1 || text.length < headEnd + 4 + length) return;
    answer(socket, text.includes('"stream":true'));
    text = '';
  });
}).listen(port, '127.0.0.1');
