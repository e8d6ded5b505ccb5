import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export interface MetricsServerOptions {
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
  /** State folder: below it, `metrics/<process>.json` tells Prometheus where this process is (file service discovery). */
  readonly home: string;
  /** Name of the process, as in its logs. */
  readonly process: string;
  /** The metrics in Prometheus' text format. */
  readonly render: () => Promise<string>;
}

export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
const FOLDER = 'metrics';

/**
 * Serves `/metrics` of one process on a port of its own: data planes share their public port, so a scrape of that would
 * meet a different process each time, and a proxy on the same host would open it to everybody. Rejects when the port cannot
 * be had. It holds figures of the installation, no secrets and nothing of a request.
 */
export function startMetricsServer(options: MetricsServerOptions): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    if (request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    options.render().then(
      (text) => response.writeHead(200, { 'content-type': CONTENT_TYPE }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  // A process that has nothing else to do may end in spite of its metrics.
  server.unref();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.address, () => {
      const { port } = server.address() as AddressInfo;
      const target = announce(options, port);
      resolve({
        port,
        close: () =>
          new Promise((closed) => {
            retract(target, port);
            server.close(() => closed());
            server.closeAllConnections();
          }),
      });
    });
  });
}

/** A successor of the same name may have announced itself there by now. */
function retract(target: string, port: number): void {
  const isOurs = existsSync(target) && readFileSync(target, 'utf8').includes(`:${port}"`);
  if (isOurs) rmSync(target, { force: true });
}

function announce({ home, process, address }: MetricsServerOptions, port: number): string {
  const folder = join(home, FOLDER);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const target = join(folder, `${process}.json`);
  const host = address.includes(':') ? `[${address}]` : address;
  writeFileSync(target, JSON.stringify([{ targets: [`${host}:${port}`], labels: { process } }]));
  return target;
}
