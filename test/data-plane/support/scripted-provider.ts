import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** What a provider was sent. */
export interface ReceivedRequest {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Resolves when the gateway has closed the connection before the answer was complete. */
  readonly cut: Promise<void>;
}

export type ProviderScript = (response: ServerResponse, request: ReceivedRequest) => void | Promise<void>;

/** A real HTTP server that answers as the test says. */
export class ScriptedProvider {
  readonly requests: ReceivedRequest[] = [];
  script: ProviderScript = (response) => void response.writeHead(500).end();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<ScriptedProvider> {
    const server = createServer();
    const provider = new ScriptedProvider(server);
    server.on('connection', (socket) => {
      provider.#sockets.add(socket);
      socket.on('close', () => provider.#sockets.delete(socket));
    });
    server.on('request', (request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        const cut = new Promise<void>((resolve) => {
          response.on('close', () => {
            if (!response.writableFinished) resolve();
          });
        });
        const received = {
          url: request.url ?? '',
          headers: request.headers,
          body: Buffer.concat(pieces),
          cut,
        };
        provider.requests.push(received);
        void provider.script(response, received);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return provider;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Closes idle connections as a provider does that no longer wants them. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.dropConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Answers with one JSON body. */
export function answersJson(
  body: unknown,
  status = 200,
  headers: Record<string, string> = {},
): ProviderScript {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));
  };
}

/** Streams the given pieces, one write each. */
export function answersStream(pieces: readonly (string | Buffer)[], gapMs = 0): ProviderScript {
  return async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const piece of pieces) {
      response.write(piece);
      if (gapMs > 0) await new Promise((resolve) => setTimeout(resolve, gapMs));
    }
    response.end();
  };
}
