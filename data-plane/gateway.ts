import type { Logger } from 'pino';
import type { AddressRanges } from '#shared/address-range.ts';
import type { Clock } from '#shared/clock.ts';
import type { SealingKey } from '#shared/sealed-secret.ts';
import type { Quotas } from './admission/quotas.ts';
import type { BodyLimits } from './http/request-intake.ts';
import type { SilenceLimits } from './lanes/attempt.ts';
import type { MediaGuard } from './media/media-guard.ts';
import type { SnapshotSource } from './snapshot/compiled-snapshot.ts';
import type { TokenCounter } from './token-count/token-counter.ts';
import type { SilenceWatch } from './upstream/silence-watch.ts';
import type { UpstreamClient } from './upstream/upstream-client.ts';
import type { RequestCounts } from './usage/request-counts.ts';
import type { UsageSpool } from './usage/usage-spool.ts';
import type { UsageTotalsReader } from './usage/usage-totals-reader.ts';

/** Everything that endpoints reach beyond their own request; `main.ts` brings the real parts, tests bring their own. */
export interface Gateway {
  readonly snapshots: SnapshotSource;
  readonly quotas: Quotas;
  readonly spool: UsageSpool;
  readonly totals: UsageTotalsReader;
  readonly upstreams: UpstreamClient;
  readonly media: MediaGuard;
  readonly tokenCounter: TokenCounter;
  readonly watch: SilenceWatch;
  readonly clock: Clock;
  readonly counts: RequestCounts;
  /** Mints the UUIDv7 of a request. */
  readonly mintRequestId: () => string;
  /** Keys the digests of end-user ids. */
  readonly sealingKey: SealingKey;
  readonly log: Logger;
  readonly bodyLimits: BodyLimits;
  /** Proxies whose `x-forwarded-for` tells the address of a client. */
  readonly trustedProxies: AddressRanges;
  readonly silenceLimits: SilenceLimits;
  /** A snapshot older than this makes the process unready. */
  readonly snapshotMaxAgeMs: number;
  /** Numbers in [0, 1), for the lots among equal routes. */
  readonly random: () => number;
  /** State of links that `/readyz` reports besides its own checks, e.g. `{ redis: 'up' }`. */
  readonly linkStates: () => Readonly<Record<string, string>>;
}
