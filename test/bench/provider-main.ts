import { createServer, type Socket } from 'node:net';

/**
 * A provider that costs next to nothing: answers chat completions from memory, whole or as a stream, as the request says in
 * its text: `bench:<chunks>,<ms between two>,<bytes of text in each>`. `GET /stats` says how many streams are open and how many
 * their clients have left. Argument: the port.
 */
const [port = 0] = process.argv.slice(2).map(Number);
const USAGE = '"usage":{"prompt_tokens":20,"completion_tokens":64,"total_tokens":84}';
const HEAD = '{"id":"chatcmpl-1","created":1,"model":"bench",';
const WHOLE = `${HEAD}"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],${USAGE}}`;
const STREAM_HEAD =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n';
const stats = { open: 0, left: 0, ended: 0 };

function jsonAnswer(body: string): string {
  return `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

function chunkOf(rest: string): string {
  const data = `data: ${HEAD}"object":"chat.completion.chunk",${rest}}\n\n`;
  return `${data.length.toString(16)}\r\n${data}\r\n`;
}

const LAST = `${chunkOf('"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]')}${chunkOf(`"choices":[],${USAGE}`)}e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n`;

function stream(socket: Socket, chunks: number, delayMs: number, bytes: number): void {
  const event = Buffer.from(
    chunkOf(`"choices":[{"index":0,"delta":{"content":"${'w'.repeat(bytes)}"},"finish_reason":null}]`),
  );
  stats.open += 1;
  socket.write(STREAM_HEAD);
  let sent = 0;
  let timer: NodeJS.Timeout | undefined;
  const finish = (): void => {
    clearInterval(timer);
    socket.off('close', leave).off('drain', flood);
    stats.open -= 1;
  };
  const leave = (): void => {
    finish();
    stats.left += 1;
  };
  const sendNext = (): boolean => {
    sent += 1;
    const hasRoom = socket.write(event);
    if (sent < chunks) return hasRoom;
    socket.write(LAST);
    finish();
    stats.ended += 1;
    return false;
  };
  const flood = (): void => {
    while (sent < chunks && sendNext());
  };
  socket.on('close', leave);
  if (delayMs > 0) timer = setInterval(sendNext, delayMs);
  else {
    socket.on('drain', flood);
    flood();
  }
}

function answer(socket: Socket, head: string, start: string): void {
  if (head.startsWith('GET /stats')) {
    socket.write(jsonAnswer(JSON.stringify(stats)));
    return;
  }
  const [, chunks, delayMs, bytes] = /bench:(\d+),(\d+),(\d+)/.exec(start) ?? [];
  if (chunks === undefined || chunks === '0') socket.write(jsonAnswer(WHOLE));
  else stream(socket, Number(chunks), Number(delayMs), Number(bytes));
}

const LOOKED_AT_BYTES = 4_096;

createServer((socket) => {
  let head = '';
  let start = '';
  let missingBytes = 0;
  socket.setNoDelay(true);
  socket.on('error', () => undefined);
  socket.on('data', (piece) => {
    if (missingBytes === 0) {
      head += piece.toString('latin1', 0, LOOKED_AT_BYTES);
      const headEnd = head.indexOf('\r\n\r\n');
      if (headEnd === -1) return;
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      missingBytes = headEnd + 4 + length;
      start = head;
    } else if (start.length < LOOKED_AT_BYTES) start += piece.toString('latin1', 0, LOOKED_AT_BYTES);
    missingBytes -= piece.length;
    if (missingBytes > 0) return;
    const asked = [head, start] as const;
    head = '';
    missingBytes = 0;
    answer(socket, ...asked);
  });
}).listen(port, '127.0.0.1', 8_192);
