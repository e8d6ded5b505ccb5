import { isJsonObject } from '#data-plane/dialects/json-access.ts';
import { providerCodecs } from '#data-plane/dialects/provider-codecs.ts';
import type { Gateway } from '#data-plane/gateway.ts';
import type {
  CompiledModel,
  CompiledRoute,
  CompiledUpstream,
} from '#data-plane/snapshot/compiled-snapshot.ts';
import type { UpstreamRequest } from '#data-plane/upstream/upstream-client.ts';

/** A count is asked for before each turn of an agent: an estimate now is worth more than an exact answer later. */
const COUNT_TIMEOUT_MS = 5_000;
const MAX_COUNT_BYTES = 64 * 1024;
/** A provider that says so has no such endpoint; it is not asked again until its configuration changes. */
const NO_SUCH_ENDPOINT: readonly number[] = [404, 405, 501];

const silentUpstreams = new WeakSet<CompiledUpstream>();

/** The routes of a model whose providers count: those of the client's own dialect first, then by priority. */
export function countingRoutes(model: CompiledModel): readonly CompiledRoute[] {
  const counting = model.routes.filter(
    ({ upstream }) =>
      providerCodecs[upstream.protocol].tokenCount !== undefined && !silentUpstreams.has(upstream),
  );
  const isNative = ({ upstream }: CompiledRoute): boolean => upstream.protocol === 'messages';
  return [...counting.filter(isNative), ...counting.filter((route) => !isNative(route))];
}

/** The provider's count; `undefined` when it gives none in time, or the client has gone. */
export function askTokenCount(
  gateway: Gateway,
  upstream: CompiledUpstream,
  request: UpstreamRequest,
  signal: AbortSignal,
): Promise<number | undefined> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    let bytes = 0;
    let status = 0;
    const call = gateway.upstreams.send(request, {
      onHead: (headStatus) => {
        status = headStatus;
        if (NO_SUCH_ENDPOINT.includes(status)) silentUpstreams.add(upstream);
      },
      onData: (piece) => {
        bytes += piece.length;
        if (bytes <= MAX_COUNT_BYTES) pieces.push(Buffer.from(piece));
      },
      onEnd: () => settle(status === 200 ? readCount(upstream, Buffer.concat(pieces)) : undefined),
      onFailure: () => settle(undefined),
    });
    const giveUp = (): void => {
      call.abort();
      settle(undefined);
    };
    const timer = setTimeout(giveUp, COUNT_TIMEOUT_MS);
    signal.addEventListener('abort', giveUp, { once: true });
    function settle(count: number | undefined): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
      resolve(count);
    }
  });
}

function readCount({ protocol }: CompiledUpstream, body: Buffer): number | undefined {
  try {
    const answer: unknown = JSON.parse(body.toString('utf8'));
    return isJsonObject(answer) ? providerCodecs[protocol].tokenCount?.read(answer) : undefined;
  } catch {
    return undefined;
  }
}
