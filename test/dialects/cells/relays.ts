import {
  chatClientDialect,
  messagesClientDialect,
  responsesClientDialect,
} from '#data-plane/dialects/client-dialects.ts';
import type { ForwardDialect } from '#data-plane/dialects/dialect.ts';
import { providerCodecs } from '#data-plane/dialects/provider-codecs.ts';
import { TranslateRelay } from '#data-plane/lanes/translate-relay.ts';
import type { Dialect, ProviderProtocol } from '#shared/usage-record.ts';
import { relay } from '#test/dialects/forward-relay.ts';
import { CLIENTS, identityOf } from './recorded-cells.ts';

const FORWARD: Readonly<Record<Dialect, ForwardDialect>> = {
  chat: chatClientDialect.forward,
  responses: responsesClientDialect.forward,
  messages: messagesClientDialect.forward,
};

/** What a client has got of a stream, and whether it ended well. */
export interface Relayed {
  readonly state: string;
  readonly bytes: string;
}

/** Relays pieces of a provider's stream as the product does on the translate lane. */
export function translatePieces(
  protocol: ProviderProtocol,
  dialect: Dialect,
  pieces: readonly Buffer[],
): Relayed {
  let bytes = '';
  const lane = new TranslateRelay({
    writer: {
      write: (piece) => {
        bytes += piece.toString('utf8');
      },
    },
    provider: providerCodecs[protocol],
    issuer: 'vendor',
    createEncoder: (write) => CLIENTS[dialect].createStreamEncoder(identityOf(dialect), write),
  });
  let state = 'open';
  for (const piece of pieces) if (state === 'open') state = lane.push(Buffer.from(piece));
  if (state === 'open') state = lane.finish();
  if (state === 'complete') bytes += lane.lastBytes().toString('utf8');
  else if (state === 'error') bytes += lane.faultBytes(lane.failure(undefined).fault).toString('utf8');
  return { state, bytes };
}

/** The same on the forward lane. */
export function forwardPieces(dialect: Dialect, pieces: readonly Buffer[]): Relayed {
  const { state, bytes } = relay(FORWARD[dialect], pieces);
  return { state, bytes: bytes.toString('utf8') };
}
