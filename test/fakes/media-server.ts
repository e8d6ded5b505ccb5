import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { GuardedFetchOptions } from '#shared/guarded-fetch.ts';
import { TEST_AUTHORITY, TEST_CERTIFICATE, TEST_CERTIFICATE_KEY } from './test-certificate.ts';

const LOOPBACK = '127.0.0.1';

export type MediaScript = (response: ServerResponse, request: IncomingMessage) => void;

/** An https server under the name `media.test`, which answers as the test says. */
export class MediaServer {
  script: MediaScript = (response) => response.end();
  /** Paths that it was asked for. */
  asked: string[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<MediaServer> {
    const server = createServer({ cert: TEST_CERTIFICATE, key: TEST_CERTIFICATE_KEY });
    const media = new MediaServer(server);
    server.on('request', (request, response) => {
      media.asked.push(request.url ?? '');
      media.script(response, request);
    });
    await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
    return media;
  }

  urlOf(path: string): string {
    return `https://media.test:${(this.#server.address() as AddressInfo).port}${path}`;
  }

  /** Lets a fetcher reach this server and nothing else that is not public. */
  get access(): GuardedFetchOptions {
    return {
      trustedAddresses: [LOOPBACK],
      certificateAuthority: TEST_AUTHORITY,
      resolveName: async (host) => (host === 'media.test' ? [LOOPBACK] : []),
    };
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
