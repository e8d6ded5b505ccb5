import { Resolver } from 'node:dns/promises';
import { type IncomingHttpHeaders, type IncomingMessage, request as requestPlain } from 'node:http';
import { type RequestOptions, request as requestSecure } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { type GuardedUrl, kindOfName, readGuardedUrl, type UrlRefusal } from './guarded-url.ts';
import { isPublicAddress } from './public-address.ts';

export type FetchRefusalReason =
  | UrlRefusal
  | 'too_many_redirects'
  | 'connection_failed'
  | 'timed_out'
  | 'too_large'
  | 'error_status'
  | 'malformed_answer'
  | 'aborted';

/** A fetch that was refused or failed. Safe to show: it quotes nothing of the target. */
export interface FetchRefusal {
  readonly kind: 'refused';
  readonly reason: FetchRefusalReason;
  /** How many redirects had been followed when it happened. */
  readonly redirects: number;
  /** With `error_status`: what the target answered. */
  readonly status?: number;
}

export interface FetchedBody {
  readonly kind: 'fetched';
  readonly body: Buffer;
  /** The `content-type` header in lower case without parameters; '' when there is none. */
  readonly contentType: string;
}

export interface PostAnswer {
  readonly kind: 'answered';
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

export interface GetOptions {
  /** Of the body, on top of the fetcher's own limit. */
  readonly maxBodyBytes?: number;
  readonly accept?: string;
  readonly signal?: AbortSignal;
}

export interface PostOptions {
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** All addresses of a name, of both families; empty when there is none. Rejects when it cannot tell. */
export type ResolveName = (host: string, signal: AbortSignal) => Promise<readonly string[]>;

export interface GuardedFetchOptions {
  readonly resolveName?: ResolveName;
  /**
   * Addresses that may be reached although they are not public, on any port and without TLS. For tests and development
   * only; nothing else opens the guard.
   */
  readonly trustedAddresses?: readonly string[];
  /** PEM of a certificate authority to trust instead of the public ones. For tests. */
  readonly certificateAuthority?: string;
  readonly deadlineMs?: number;
  readonly maxBodyBytes?: number;
}

const MEBIBYTE = 1024 * 1024;
const DEADLINE_MS = 5_000;
const MAX_BODY_BYTES = 20 * MEBIBYTE;
const MAX_REDIRECTS = 3;
const REDIRECT_STATUSES: readonly number[] = [301, 302, 303, 307, 308];
const USER_AGENT = 'crossmodel';
const LOOPBACK_ADDRESS = '127.0.0.1';
const NAME_SERVER_TIMEOUT_MS = 1_000;

/** A place that was found fit to connect to: the connection goes to these addresses, whatever the name means by then. */
interface PinnedTarget extends GuardedUrl {
  readonly addresses: readonly string[];
}

interface Exchange {
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  readonly signal: AbortSignal;
}

/**
 * The only way to a URL that a client or a partner gave. https only; the name is resolved once, every address it has must be
 * public, and the connection is made to those addresses, so that a name cannot change its meaning in between. One deadline
 * covers everything from the first lookup to the last byte. Bodies are never decompressed. No cookies, no referrer, no
 * connection is reused.
 */
export class GuardedFetcher {
  readonly #resolveName: ResolveName;
  readonly #trusted: ReadonlySet<string>;
  readonly #certificateAuthority: string | undefined;
  readonly #deadlineMs: number;
  readonly #maxBodyBytes: number;

  constructor(options: GuardedFetchOptions = {}) {
    this.#resolveName = options.resolveName ?? resolveInDns;
    this.#trusted = new Set(options.trustedAddresses);
    this.#certificateAuthority = options.certificateAuthority;
    this.#deadlineMs = options.deadlineMs ?? DEADLINE_MS;
    this.#maxBodyBytes = options.maxBodyBytes ?? MAX_BODY_BYTES;
  }

  /**
   * Says why the URL may not be fetched by anybody on our behalf, without connecting to it. A name that cannot be resolved
   * here passes: whoever fetches it may know better, and will not find a private address of ours by it.
   */
  async judge(text: string, signal?: AbortSignal): Promise<FetchRefusal | undefined> {
    const deadline = this.#deadline(signal);
    const target = await this.#pin(readGuardedUrl(text), deadline);
    if (typeof target !== 'string' || target === 'name_not_found') return undefined;
    return refusal(signal?.aborted === true ? 'aborted' : target, 0);
  }

  /** Fetches a body, following at most 3 redirects, each judged like the first URL. Only status 200 counts. */
  async get(text: string, options: GetOptions = {}): Promise<FetchedBody | FetchRefusal> {
    const deadline = this.#deadline(options.signal);
    const headers = { accept: options.accept ?? '*/*' };
    const maxBytes = Math.min(options.maxBodyBytes ?? this.#maxBodyBytes, this.#maxBodyBytes);
    let next = readGuardedUrl(text);
    for (let redirects = 0; ; redirects += 1) {
      const target = await this.#pin(next, deadline);
      if (typeof target === 'string') return this.#failure(target, redirects, deadline, options.signal);
      const answer = await this.#send(target, { method: 'GET', headers, signal: deadline });
      if (answer === undefined)
        return this.#failure('connection_failed', redirects, deadline, options.signal);
      const status = answer.statusCode ?? 0;
      const { location } = answer.headers;
      if (REDIRECT_STATUSES.includes(status) && location !== undefined) {
        answer.destroy();
        if (redirects === MAX_REDIRECTS) return refusal('too_many_redirects', redirects);
        next = readGuardedUrl(location, target.url);
        continue;
      }
      if (status !== 200) {
        answer.destroy();
        return { ...refusal('error_status', redirects), status };
      }
      const body = await readBody(answer, maxBytes);
      if (typeof body === 'string') return this.#failure(body, redirects, deadline, options.signal);
      return { kind: 'fetched', body, contentType: contentTypeOf(answer.headers) };
    }
  }

  /** Posts a body. Any status is an answer; redirects are not followed, and the answer's body is not read. */
  async post(text: string, options: PostOptions): Promise<PostAnswer | FetchRefusal> {
    const deadline = this.#deadline(options.signal);
    const target = await this.#pin(readGuardedUrl(text), deadline);
    if (typeof target === 'string') return this.#failure(target, 0, deadline, options.signal);
    const { body, headers } = options;
    const answer = await this.#send(target, { method: 'POST', headers, body, signal: deadline });
    if (answer === undefined) return this.#failure('connection_failed', 0, deadline, options.signal);
    answer.destroy();
    return { kind: 'answered', status: answer.statusCode ?? 0, headers: answer.headers };
  }

  #deadline(signal: AbortSignal | undefined): AbortSignal {
    const timeout = AbortSignal.timeout(this.#deadlineMs);
    return signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  }

  /** A failure after the end of the deadline has one cause, whatever it looked like. */
  #failure(
    reason: FetchRefusalReason,
    redirects: number,
    deadline: AbortSignal,
    signal: AbortSignal | undefined,
  ): FetchRefusal {
    if (signal?.aborted === true) return refusal('aborted', redirects);
    return refusal(deadline.aborted ? 'timed_out' : reason, redirects);
  }

  async #pin(read: GuardedUrl | UrlRefusal, signal: AbortSignal): Promise<PinnedTarget | UrlRefusal> {
    if (typeof read === 'string') return read;
    const addresses = read.hostIsAddress ? [read.host] : await this.#addressesOf(read.host, signal);
    if (addresses === 'local') return 'address_not_public';
    // A name with no address is judged by its text alone.
    if (addresses.length === 0) return read.needsTrust ?? 'name_not_found';
    const isTrusted = addresses.every((address) => this.#trusted.has(address));
    if (isTrusted) return { ...read, addresses };
    if (!addresses.every((address) => isPublicAddress(address))) return 'address_not_public';
    return read.needsTrust ?? { ...read, addresses };
  }

  async #addressesOf(host: string, signal: AbortSignal): Promise<readonly string[] | 'local'> {
    switch (kindOfName(host)) {
      case 'loopback':
        return [LOOPBACK_ADDRESS];
      case 'local':
        return 'local';
      default:
        return this.#resolveName(host, signal).catch(() => []);
    }
  }

  /** The head of the answer; `undefined` when none came. */
  #send(target: PinnedTarget, exchange: Exchange): Promise<IncomingMessage | undefined> {
    const { url, host, port, addresses } = target;
    const isSecure = url.protocol === 'https:';
    const options: RequestOptions = {
      method: exchange.method,
      host,
      port,
      path: `${url.pathname}${url.search}`,
      headers: {
        ...exchange.headers,
        host: url.host,
        'user-agent': USER_AGENT,
        'accept-encoding': 'identity',
        ...(exchange.body === undefined ? {} : { 'content-length': String(exchange.body.length) }),
      },
      agent: false,
      lookup: pinnedLookup(addresses),
      signal: exchange.signal,
      ...(isSecure && !target.hostIsAddress ? { servername: host } : {}),
      ...(this.#certificateAuthority === undefined ? {} : { ca: this.#certificateAuthority }),
    };
    return new Promise((resolve) => {
      const call = (isSecure ? requestSecure : requestPlain)(options);
      call.on('response', resolve);
      // Also comes after the head, when the body is cut; whoever reads the body hears of it there.
      call.on('error', () => resolve(undefined));
      call.on('socket', (socket) => {
        socket.once('connect', () => {
          if (!addresses.includes(socket.remoteAddress ?? '')) socket.destroy();
        });
      });
      call.end(exchange.body);
    });
  }
}

function refusal(reason: FetchRefusalReason, redirects: number): FetchRefusal {
  return { kind: 'refused', reason, redirects };
}

function pinnedLookup(addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_host, options, callback) => {
    const [first] = all;
    if (options.all === true) callback(null, all);
    else if (first !== undefined) callback(null, first.address, first.family);
  };
}

/** Asks the name servers directly: they can be given up, and do not know this machine's own names. */
async function resolveInDns(host: string, signal: AbortSignal): Promise<readonly string[]> {
  const resolver = new Resolver({ timeout: NAME_SERVER_TIMEOUT_MS, tries: 2 });
  const cancel = (): void => resolver.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const found = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    return found.flatMap((part) => (part.status === 'fulfilled' ? part.value : []));
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

function contentTypeOf(headers: IncomingHttpHeaders): string {
  return (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

function readBody(answer: IncomingMessage, maxBytes: number): Promise<Buffer | FetchRefusalReason> {
  const encoding = answer.headers['content-encoding'];
  const isEncoded = encoding !== undefined && encoding !== 'identity';
  const isTooLarge = Number(answer.headers['content-length'] ?? 0) > maxBytes;
  if (isEncoded || isTooLarge) {
    answer.destroy();
    return Promise.resolve(isEncoded ? 'malformed_answer' : 'too_large');
  }
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    let bytes = 0;
    answer.on('data', (piece: Buffer) => {
      bytes += piece.length;
      if (bytes > maxBytes) {
        answer.destroy();
        resolve('too_large');
        return;
      }
      pieces.push(piece);
    });
    answer.on('end', () => resolve(Buffer.concat(pieces)));
    answer.on('error', () => resolve('connection_failed'));
    answer.on('close', () => resolve('connection_failed'));
  });
}
