import type { CompiledUpstream } from '#data-plane/snapshot/compiled-snapshot.ts';
import type { ProviderProtocol } from '#shared/usage-record.ts';

interface HeaderSets {
  readonly streamed: readonly string[];
  readonly whole: readonly string[];
}

/** Made once per upstream of a snapshot; a new snapshot brings new upstream objects. */
const headerSets = new WeakMap<CompiledUpstream, HeaderSets>();

/**
 * The headers of a request to a provider that are the same for every request: ours alone. No header of the client is passed on: keys and cookies
 * must not be, forwarding headers would name our customers, and none of the rest changes an answer of this protocol.
 */
export function providerHeaders(upstream: CompiledUpstream, isStream: boolean): readonly string[] {
  let sets = headerSets.get(upstream);
  if (sets === undefined) {
    sets = {
      streamed: buildHeaders(upstream, 'text/event-stream'),
      whole: buildHeaders(upstream, 'application/json'),
    };
    headerSets.set(upstream, sets);
  }
  return isStream ? sets.streamed : sets.whole;
}

function buildHeaders(upstream: CompiledUpstream, accept: string): string[] {
  const headers = ['content-type', 'application/json', 'accept', accept];
  // Compressed answers could not be passed on as they come, and a compressing stream holds events back.
  headers.push('accept-encoding', 'identity', 'user-agent', 'crossmodel');
  if (upstream.credential !== null) headers.push(...credentialHeader(upstream.protocol, upstream.credential));
  return headers;
}

/** The header that each protocol's own SDK sends its key in. */
function credentialHeader(protocol: ProviderProtocol, credential: string): readonly [string, string] {
  switch (protocol) {
    case 'messages':
      return ['x-api-key', credential];
    case 'gemini':
      return ['x-goog-api-key', credential];
    case 'chat':
    case 'responses':
      return ['authorization', `Bearer ${credential}`];
  }
}
