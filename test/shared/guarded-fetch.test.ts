import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GuardedFetcher, type GuardedFetchOptions } from '#shared/guarded-fetch.ts';
import { TEST_AUTHORITY, TEST_CERTIFICATE, TEST_CERTIFICATE_KEY } from '#test/fakes/test-certificate.ts';

const LOOPBACK = '127.0.0.1';
const DEADLINE_MS = 400;

let server: Server;
let port: number;
let script: (response: ServerResponse, request: IncomingMessage) => void;
/** Paths that the server was asked for. */
let asked: string[];
/** Names that were looked up, and what they mean. */
let lookups: string[];
let meanings: Record<string, readonly (readonly string[])[]>;

beforeAll(async () => {
  server = createServer({ cert: TEST_CERTIFICATE, key: TEST_CERTIFICATE_KEY }, (request, response) => {
    asked.push(request.url ?? '');
    script(response, request);
  });
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  port = (server.address() as AddressInfo).port;
});

beforeEach(() => {
  asked = [];
  lookups = [];
  meanings = { 'media.test': [[LOOPBACK]] };
  script = (response) => response.end('hello');
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function fetcher(options: GuardedFetchOptions = {}): GuardedFetcher {
  return new GuardedFetcher({
    trustedAddresses: [LOOPBACK],
    certificateAuthority: TEST_AUTHORITY,
    deadlineMs: DEADLINE_MS,
    resolveName: async (host) => {
      lookups.push(host);
      const answers = meanings[host] ?? [];
      return (answers.length > 1 ? (answers as (readonly string[])[]).shift() : answers[0]) ?? [];
    },
    ...options,
  });
}

const at = (path: string): string => `https://media.test:${port}${path}`;
const redirectTo = (location: string) => (response: ServerResponse) =>
  void response.writeHead(302, { location }).end();

describe('what is never connected to', () => {
  const closed = new GuardedFetcher({ resolveName: async () => [] });
  const cases: readonly (readonly [string, string])[] = [
    ['http://example.com/a.png', 'scheme_not_allowed'],
    ['ftp://example.com/a.png', 'scheme_not_allowed'],
    ['file:///etc/passwd', 'scheme_not_allowed'],
    ['gs://bucket/object', 'scheme_not_allowed'],
    ['//example.com/a.png', 'malformed_url'],
    ['not a url', 'malformed_url'],
    [`https://example.com/${'a'.repeat(9_000)}`, 'malformed_url'],
    ['https://user:secret@example.com/', 'credentials_in_url'],
    ['https://user@example.com/', 'credentials_in_url'],
    ['https://1.1.1.1:22/', 'port_not_allowed'],
    ['https://1.1.1.1:6379/', 'port_not_allowed'],
    ['https://localhost/', 'address_not_public'],
    ['https://LOCALHOST./', 'address_not_public'],
    ['https://db.localhost/', 'address_not_public'],
    ['https://redis/', 'address_not_public'],
    ['https://metadata.google.internal/', 'address_not_public'],
    ['https://api.default.svc.cluster.local/', 'address_not_public'],
  ];
  it.each(cases)('refuses %s as %s', async (url, reason) => {
    expect(await closed.get(url)).toEqual({ kind: 'refused', reason, redirects: 0 });
    expect(await closed.post(url, { body: Buffer.from('x'), headers: {} })).toMatchObject({ reason });
    expect(await closed.judge(url)).toMatchObject({ reason });
  });

  it.each([
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f000001/',
    'https://0177.0.0.1/',
    'https://127.1/',
    'https://１２７.0.0.1/',
    'https://0/',
    'https://10.1.2.3/',
    'https://172.31.255.255/',
    'https://192.168.0.1/',
    'https://169.254.169.254/latest/meta-data/',
    'https://100.64.0.1/',
    'https://100.100.100.200/',
    'https://168.63.129.16/',
    'https://192.0.0.192/',
    'https://198.18.0.1/',
    'https://203.0.113.9/',
    'https://224.0.0.1/',
    'https://255.255.255.255/',
    'https://[::]/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:1.1.1.1]/',
    'https://[64:ff9b::7f00:1]/',
    'https://[64:ff9b:1::1]/',
    'https://[2002:7f00:1::]/',
    'https://[2001:0:53aa:64c::1]/',
    'https://[2001:db8::1]/',
    'https://[fc00::1]/',
    'https://[fd00:ec2::254]/',
    'https://[fe80::1]/',
    'https://[fec0::1]/',
    'https://[ff02::1]/',
    'https://[::127.0.0.1]/',
    'https://[100::1]/',
  ])('refuses the address in %s', async (url) => {
    expect(await closed.get(url)).toEqual({ kind: 'refused', reason: 'address_not_public', redirects: 0 });
  });

  it('passes public addresses in both families', async () => {
    for (const host of ['1.1.1.1', '[2606:4700:4700::1111]', '93.184.216.34', '172.32.0.1', '100.128.0.1'])
      expect(await closed.judge(`https://${host}/`)).toBeUndefined();
  });

  it('refuses a name as soon as one of its addresses is private', async () => {
    meanings['mixed.test'] = [['1.1.1.1', '10.0.0.1']];
    const answer = await fetcher().get('https://mixed.test/');
    expect(answer).toEqual({ kind: 'refused', reason: 'address_not_public', redirects: 0 });
  });

  it('judges a name that nobody knows as harmless, but does not fetch it', async () => {
    expect(await fetcher().judge('https://unknown.test/')).toBeUndefined();
    expect(await fetcher().get('https://unknown.test/')).toMatchObject({ reason: 'name_not_found' });
  });

  it('trusts no address of this machine but the one it was told to', async () => {
    meanings['other.test'] = [['127.0.0.2']];
    expect(await fetcher().get(`https://other.test:${port}/`)).toMatchObject({
      reason: 'address_not_public',
    });
    expect(asked).toEqual([]);
  });
});

describe('fetching', () => {
  it('returns the body and its type, asked for under the original name', async () => {
    let head: IncomingMessage['headers'] = {};
    script = (response, request) => {
      head = request.headers;
      response.setHeader('content-type', 'Image/PNG; charset=binary');
      response.end('picture');
    };
    const answer = await fetcher().get(at('/a.png?x=1#part'), { accept: 'image/*' });
    expect(answer).toEqual({ kind: 'fetched', body: Buffer.from('picture'), contentType: 'image/png' });
    expect(asked).toEqual(['/a.png?x=1']);
    expect(head).toMatchObject({
      host: `media.test:${port}`,
      accept: 'image/*',
      'accept-encoding': 'identity',
    });
    expect(head.cookie).toBeUndefined();
    expect(head.referer).toBeUndefined();
  });

  it('looks a name up once and connects to what it meant then', async () => {
    meanings['media.test'] = [[LOOPBACK], ['10.0.0.1'], ['10.0.0.1']];
    expect(await fetcher().get(at('/'))).toMatchObject({ kind: 'fetched' });
    expect(lookups).toEqual(['media.test']);
  });

  it('refuses a certificate that its authority did not sign for the name', async () => {
    meanings['stranger.example'] = [[LOOPBACK]];
    const wrongName = await fetcher().get(`https://stranger.example:${port}/`);
    expect(wrongName).toMatchObject({ reason: 'connection_failed' });
    const publicOnly = new GuardedFetcher({
      trustedAddresses: [LOOPBACK],
      resolveName: async () => [LOOPBACK],
    });
    expect(await publicOnly.get(at('/'))).toMatchObject({ reason: 'connection_failed' });
    expect(asked).toEqual([]);
  });

  it('judges every redirect anew', async () => {
    for (const target of [
      'https://10.0.0.1/',
      'https://169.254.169.254/',
      'http://1.1.1.1/',
      'https://a:b@1.1.1.1/',
    ]) {
      script = redirectTo(target);
      const answer = await fetcher().get(at('/'));
      expect(answer).toMatchObject({ kind: 'refused', redirects: 1 });
    }
    meanings['media.test'] = [[LOOPBACK], ['10.0.0.1']];
    script = redirectTo('/again');
    expect(await fetcher().get(at('/'))).toEqual({
      kind: 'refused',
      reason: 'address_not_public',
      redirects: 1,
    });
  });

  it('follows three redirects and not a fourth', async () => {
    script = (response, request) => {
      const left = Number(request.url?.slice(1));
      if (left === 0) response.end('arrived');
      else redirectTo(`./${left - 1}`)(response);
    };
    expect(await fetcher().get(at('/3'))).toMatchObject({ kind: 'fetched', body: Buffer.from('arrived') });
    expect(await fetcher().get(at('/4'))).toMatchObject({ reason: 'too_many_redirects', redirects: 3 });
  });

  it('gives up a redirect loop', async () => {
    script = redirectTo('/');
    expect(await fetcher().get(at('/'))).toMatchObject({ reason: 'too_many_redirects' });
    expect(asked).toHaveLength(4);
  });

  it.each([201, 204, 304, 403, 404, 500])('takes the status %i for no body', async (status) => {
    script = (response) => void response.writeHead(status).end();
    expect(await fetcher().get(at('/'))).toEqual({
      kind: 'refused',
      reason: 'error_status',
      redirects: 0,
      status,
    });
  });

  it('refuses a body that says it is too large before reading it, and one that turns out to be', async () => {
    const small = fetcher({ maxBodyBytes: 1_000 });
    script = (response) => void response.writeHead(200, { 'content-length': 1_001 }).flushHeaders();
    expect(await small.get(at('/'))).toMatchObject({ reason: 'too_large' });
    let closed = false;
    script = (response) => {
      response.on('close', () => {
        closed = true;
      });
      const timer = setInterval(() => response.write('x'.repeat(300)), 1);
      response.on('close', () => clearInterval(timer));
    };
    expect(await small.get(at('/'))).toMatchObject({ reason: 'too_large' });
    await expect.poll(() => closed).toBe(true);
    script = (response) => response.end('x'.repeat(1_000));
    expect(await small.get(at('/'))).toMatchObject({ kind: 'fetched' });
    expect(await small.get(at('/'), { maxBodyBytes: 999 })).toMatchObject({ reason: 'too_large' });
  });

  it('never decompresses', async () => {
    script = (response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end('bomb');
    expect(await fetcher().get(at('/'))).toMatchObject({ reason: 'malformed_answer' });
  });

  it('ends at the deadline whatever the target does: silence, a head without a body, a slow drip', async () => {
    const slow: (typeof script)[] = [
      () => {},
      (response) => void response.writeHead(200, { 'content-length': 10 }).flushHeaders(),
      (response) => {
        const timer = setInterval(() => response.write('x'), 20);
        response.on('close', () => clearInterval(timer));
      },
    ];
    for (const behaviour of slow) {
      script = behaviour;
      expect(await fetcher().get(at('/'))).toMatchObject({ kind: 'refused', reason: 'timed_out' });
    }
    const unresolved = fetcher({
      resolveName: (_, signal) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(new Error('given up'))),
        ),
    });
    expect(await unresolved.get(at('/'))).toMatchObject({ reason: 'timed_out' });
  });

  it('stops when its caller leaves', async () => {
    const leaving = new AbortController();
    script = () => leaving.abort();
    const answer = await fetcher({ deadlineMs: 5_000 }).get(at('/'), { signal: leaving.signal });
    expect(answer).toMatchObject({ kind: 'refused', reason: 'aborted' });
  });

  it('tells a body that was cut from a whole one', async () => {
    script = (response) => {
      response.writeHead(200, { 'content-length': 10 });
      response.write('half', () => response.socket?.destroy());
    };
    expect(await fetcher().get(at('/'))).toMatchObject({ reason: 'connection_failed' });
  });
});

describe('posting', () => {
  it('sends the body with its headers and returns the status, redirects included', async () => {
    let received = '';
    script = (response, request) => {
      request.on('data', (piece) => {
        received += String(piece);
      });
      request.on('end', () => {
        received += ` ${request.headers['x-signature']} ${request.headers['content-length']}`;
        response.writeHead(307, { location: 'https://10.0.0.1/', 'retry-after': '7' }).end();
      });
    };
    const answer = await fetcher().post(at('/hook'), {
      body: Buffer.from('{"a":1}'),
      headers: { 'x-signature': 'signed', 'content-type': 'application/json' },
    });
    expect(answer).toMatchObject({ kind: 'answered', status: 307, headers: { 'retry-after': '7' } });
    expect(received).toBe('{"a":1} signed 7');
    expect(asked).toEqual(['/hook']);
  });

  it('gives up at the deadline', async () => {
    script = () => {};
    const answer = await fetcher().post(at('/'), { body: Buffer.from('x'), headers: {} });
    expect(answer).toMatchObject({ kind: 'refused', reason: 'timed_out' });
  });
});
