import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { expect, vi } from 'vitest';

export interface ReceivedMessage {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Somebody's webhook endpoint on this machine, which answers as the test says. */
export class WebhookReceiver {
  readonly messages: ReceivedMessage[] = [];
  script: (response: ServerResponse, message: ReceivedMessage) => void = (response) => response.end();
  readonly #server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (piece: string) => {
      body += piece;
    });
    request.on('end', () => {
      const message = { path: request.url ?? '', headers: request.headers, body };
      this.messages.push(message);
      this.script(response, message);
    });
  });

  static async start(): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver();
    await new Promise<void>((resolve) => receiver.#server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  url(path: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`;
  }

  /** Waits for `count` messages on a path and returns them. */
  async heard(path: string, count = 1): Promise<ReceivedMessage[]> {
    return await vi.waitFor(
      () => {
        const messages = this.on(path);
        expect(messages.length).toBeGreaterThanOrEqual(count);
        return messages;
      },
      { timeout: 20_000, interval: 20 },
    );
  }

  on(path: string): ReceivedMessage[] {
    return this.messages.filter((message) => message.path === path);
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** The content of a message whose signature is right; throws for any other. */
export function verified(
  message: ReceivedMessage,
  secret: string,
): { type: string; timestamp: string; data: Record<string, unknown> } {
  const headers = Object.fromEntries(
    Object.entries(message.headers).map(([name, value]) => [name, String(value)]),
  );
  return new Webhook(secret).verify(message.body, headers) as ReturnType<typeof verified>;
}
