import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createSecureServer } from 'node:tls';
import type {
  UpstreamCall,
  UpstreamClient,
  UpstreamHeaders,
  UpstreamRequest,
} from '#data-plane/upstream/upstream-client.ts';
import { TEST_CERTIFICATE, TEST_CERTIFICATE_KEY } from '#test/fakes/test-certificate.ts';

/** Answers one request, in bytes. `count`: requests on this connection so far, this one included. */
export type RawScript = (socket: Socket, request: string, count: number) => void;

/** A server that says whatever bytes it is told to. */
export class RawServer {
  script: RawScript = (socket) => socket.destroy();
  readonly connections: Socket[] = [];
  readonly #server: Server;
  readonly #isSecure: boolean;

  private constructor(isSecure: boolean) {
    this.#isSecure = isSecure;
    const serve = (socket: Socket): void => this.#serve(socket);
    this.#server = isSecure
      ? createSecureServer({ cert: TEST_CERTIFICATE, key: TEST_CERTIFICATE_KEY }, serve)
      : createServer(serve);
  }

  static async start(isSecure = false): Promise<RawServer> {
    const server = new RawServer(isSecure);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get origin(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `${this.#isSecure ? 'https' : 'http'}://127.0.0.1:${port}`;
  }

  stop(): void {
    for (const socket of this.connections) socket.destroy();
    this.#server.close();
  }

  #serve(socket: Socket): void {
    this.connections.push(socket);
    let pieces: Buffer[] = [];
    let size = 0;
    let wanted = 0;
    let count = 0;
    socket.on('error', () => undefined);
    socket.on('data', (piece) => {
      pieces.push(piece);
      size += piece.length;
      if (size < wanted) return;
      const text = Buffer.concat(pieces).toString('latin1');
      pieces = [Buffer.from(text, 'latin1')];
      const headEnd = text.indexOf('\r\n\r\n');
      if (headEnd === -1) return;
      wanted = headEnd + 4 + Number(/content-length: (\d+)/i.exec(text.slice(0, headEnd))?.[1]);
      const isEarly = text.slice(0, headEnd).includes('answer-early');
      if (size < wanted && !isEarly) return;
      pieces = [];
      size = isEarly ? Number.NEGATIVE_INFINITY : 0;
      wanted = 0;
      count += 1;
      this.script(socket, text, count);
    });
  }
}

/** What came of one request. */
export interface RawOutcome {
  readonly status: number;
  readonly headers: UpstreamHeaders;
  readonly body: string;
  /** `end`, or why it failed. */
  readonly ending: string;
}

export function requestTo(origin: string, more: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return { origin, path: '/v1/x', headers: ['x-test', 'yes'], body: Buffer.from('{"a":1}'), ...more };
}

/** Sends a request and hears it out. */
export function sendTo(
  client: UpstreamClient,
  request: UpstreamRequest,
  onCall: (call: UpstreamCall) => void = () => undefined,
): Promise<RawOutcome> {
  return new Promise((resolve) => {
    let status = 0;
    let headers: UpstreamHeaders = {};
    const pieces: Buffer[] = [];
    const finish = (ending: string): void =>
      resolve({ status, headers, body: Buffer.concat(pieces).toString('latin1'), ending });
    const call = client.send(request, {
      onHead: (headStatus, headHeaders) => {
        status = headStatus;
        headers = headHeaders;
      },
      onData: (piece) => pieces.push(Buffer.from(piece)),
      onEnd: () => finish('end'),
      onFailure: finish,
    });
    onCall(call);
  });
}
