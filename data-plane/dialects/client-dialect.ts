import type { ClientCodec, JsonObject } from '#data-plane/dialects/codec.ts';
import type { ForwardDialect, PromptSize } from '#data-plane/dialects/dialect.ts';
import type { MediaUrl } from '#data-plane/dialects/media-url.ts';
import type { Place } from '#data-plane/dialects/request-parameters.ts';
import type { Fault } from '#shared/fault.ts';
import type { Dialect } from '#shared/usage-record.ts';

/** What every dialect's request tells the gateway; the rest of the body is not looked at. */
export interface WatchedRequest {
  readonly model: string;
  readonly stream: boolean;
  readonly maxOutputTokens: number | undefined;
  /** How many answers the client wants. */
  readonly choiceCount: number;
  readonly reasoningEffort: string | undefined;
  /** Who uses the client, in the client's own terms. */
  readonly endUser: string | undefined;
  readonly prompt: PromptSize;
  /** URLs that somebody is to fetch, in the order of the body. */
  readonly mediaUrls: readonly MediaUrl[];
  /** The conversation itself: what is said in it chooses no option of the request. */
  readonly historyPlace: Place;
}

/** A request that was rid of what another provider wrote. */
export interface CleanedRequest {
  readonly body: JsonObject;
  /** Fields that were left out, by their path. */
  readonly dropped: readonly string[];
}

/** Everything that an endpoint needs to know of the dialect that its clients speak. */
export interface ClientDialect<Request extends WatchedRequest = WatchedRequest> {
  readonly name: Dialect;
  readonly errorShape: 'openai' | 'anthropic';
  /** Which header counts when a client sends two keys. */
  readonly keyPreference: 'bearer' | 'x-api-key';
  /** The client's name of `reasoningEffort`. */
  readonly effortParam: string;
  /** Reads a request from its bytes, or says which documented rule it breaks. Nothing of the body is kept. */
  readRequest(body: Buffer): Request | Fault;
  /** The dialect to serve a body in that {@link readRequest} has refused, where there is one. */
  dialectOfRefused?(body: Buffer): ClientDialect | undefined;
  /** Providers of the protocol of this name get the client's bytes; undefined where none can. */
  readonly forwardProtocol: Dialect | undefined;
  /** Path below the upstream's base path. */
  readonly forwardPath: string;
  readonly forward: ForwardDialect;
  /**
   * The client's bytes under the provider's model name. `request` must come from this dialect's own `readRequest`, of the
   * same body (methods are bivariant, so the types do not show it).
   */
  forwardBody(body: Buffer, request: Request, providerModel: string): Buffer;
  /** Whether the provider is asked for a usage chunk that the client is not to see. */
  hidesUsageChunk(request: Request): boolean;
  /**
   * Whether a body may hold what only another provider wrote (reasoning state, ids) and a provider of this dialect would
   * refuse. Cheap; never false when it does. For `request` the same holds as above.
   */
  mayHoldForeignState(body: Buffer, vendor: string, request: Request): boolean;
  /** The body without that, everything else as it was; `undefined` when there is none. */
  withoutForeignState(body: JsonObject, vendor: string): CleanedRequest | undefined;
  readonly codec: ClientCodec;
}
