import type { CompiledUpstream } from '#data-plane/snapshot/compiled-snapshot.ts';

interface HeaderSets {
  readonly streamed: readonly string[];
  readonly whole: readonly string[];
}

/** Made once per upstream of a snapshot; a new snapshot brings new upstream objects. */
const headerSets = new WeakMap<CompiledUpstream, HeaderSets>();

/**
 * The headers of a request to an OpenAI-style provider: ours alone. No header of the client is passed on: keys and cookies
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
  if (upstream.credential !== null) headers.push('authorization', `Bearer ${upstream.credential}`);
  return headers;
}
