import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { errorCode } from './error-code.ts';
import { shortCommandLine } from './process-identity.ts';

/** Below the range from which systems take the ports of outgoing connections, so that none of those can be in the way. */
const OWN_PORTS_FROM = 20_000;
const OWN_PORTS_TO = 32_000;
const ATTEMPTS = 50;
const LISTEN_STATE = '0A';

/**
 * Why nobody could listen there (`EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`), or undefined when one could. A listener that
 * shares its port with others counts as in the way too: it would take our traffic.
 */
export function portProblem(port: number, address: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(errorCode(error)));
    server.listen({ port, host: address, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

async function isPortFree(port: number): Promise<boolean> {
  return (await portProblem(port, '127.0.0.1')) === undefined;
}

/** A free loopback port for a server of ours; the one it had last time if that is still free. */
export async function choosePort(previous: number | undefined): Promise<number> {
  if (previous !== undefined && (await isPortFree(previous))) return previous;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = randomInt(OWN_PORTS_FROM, OWN_PORTS_TO);
    if (await isPortFree(port)) return port;
  }
  throw new Error(`no free port found between ${OWN_PORTS_FROM} and ${OWN_PORTS_TO}`);
}

/** Who listens on the port, as `process 123 (node main.ts)`, where the system tells us; else undefined. */
export function describePortOwner(port: number): string | undefined {
  const pid = process.platform === 'linux' ? listenerFromProc(port) : listenerFromLsof(port);
  if (pid === undefined) return undefined;
  return `process ${pid} (${shortCommandLine(pid)})`;
}

function listenerFromLsof(port: number): number | undefined {
  const answer = spawnSync('lsof', ['-nP', '-t', `-iTCP:${port}`, '-sTCP:LISTEN'], { encoding: 'utf8' });
  const pid = Number.parseInt(answer.stdout ?? '', 10);
  return Number.isInteger(pid) ? pid : undefined;
}

function listenerFromProc(port: number): number | undefined {
  const sockets = listeningSocketInodes(port);
  if (sockets.size === 0) return undefined;
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
        if (sockets.has(readlinkSync(`/proc/${pid}/fd/${descriptor}`))) return Number(pid);
      }
    } catch {
      // Ended meanwhile, or of a user whose processes we may not look at.
    }
  }
  return undefined;
}

function listeningSocketInodes(port: number): Set<string> {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    let text = '';
    try {
      text = readFileSync(table, 'utf8');
    } catch {
      continue;
    }
    for (const line of text.split('\n').slice(1)) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state === LISTEN_STATE && local?.endsWith(`:${hexPort}`)) inodes.add(`socket:[${inode}]`);
    }
  }
  return inodes;
}
