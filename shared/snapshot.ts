import { createHash } from 'node:crypto';
import type { PriceVersion, PublishedPriceTier } from './price.ts';
import type { ProviderProtocol } from './usage-record.ts';

/**
 * The configuration that a data plane needs to serve without asking anybody: the catalog, and accounts and keys in 256
 * shards. The control plane publishes parts and numbered changes; the data plane applies them in order.
 */
export const SNAPSHOT_FORMAT = 1;
export const SHARD_COUNT = 256;

export interface SnapshotAccount {
  readonly id: string;
  readonly status: 'active' | 'suspended';
}

export interface SnapshotAlias {
  readonly alias: string;
  readonly kind: 'exact' | 'prefix';
  readonly model: string;
}

export interface KeyBudget {
  /** Nano-USD, as decimal text. */
  readonly limitNano: string;
  /** `none` never begins anew; the others begin at UTC midnight, a week on Monday. */
  readonly period: 'none' | 'day' | 'week' | 'month';
}

/** The secret before the last rotation. */
export interface PreviousSecret {
  readonly digest: string;
  /** Unix ms. */
  readonly validUntilMs: number;
}

/** Optional members are absent where nothing is set: a million keys must fit in a data plane's memory. */
export interface SnapshotKey {
  readonly id: string;
  /** base64url SHA-256 of the key. */
  readonly digest: string;
  readonly accountId: string;
  readonly status: 'active' | 'disabled';
  /** Unix ms, `null` for never. */
  readonly expiresAtMs: number | null;
  readonly rpmLimit: number;
  readonly tpmLimit: number;
  /** Requests in flight at one time over all data planes. */
  readonly concurrencyLimit?: number;
  readonly budget?: KeyBudget;
  /** Catalog ids; absent: every model. */
  readonly allowedModels?: readonly string[];
  /** Addresses and CIDR ranges; absent: from anywhere. */
  readonly allowedAddresses?: readonly string[];
  readonly previousSecret?: PreviousSecret;
  readonly aliases: readonly SnapshotAlias[];
}

export interface SnapshotRoute {
  readonly upstreamId: string;
  /** The model name that the provider knows. */
  readonly providerModel: string;
  readonly weight: number;
  readonly priority: number;
}

export interface ReasoningCapability {
  readonly toggle?: boolean;
  readonly effort?: readonly string[];
  readonly budget_tokens?: { readonly min?: number; readonly max?: number };
}

export interface ModelCapabilities {
  readonly tools: boolean;
  readonly json: boolean | null;
  readonly temperature: boolean | null;
  readonly attachment: boolean | null;
  /** Absent: not a reasoning model. Empty: reasons, without a control. */
  readonly reasoning?: ReasoningCapability;
}

export interface SnapshotModel {
  /** `vendor/name`. */
  readonly id: string;
  readonly vendor: string;
  readonly author: string;
  readonly displayName: string;
  /** Unix seconds. */
  readonly releasedAt: number;
  readonly contextTokens: number | null;
  readonly maxOutputTokens: number | null;
  readonly inputModalities: readonly string[];
  readonly outputModalities: readonly string[];
  readonly capabilities: ModelCapabilities;
  /** `hidden` is callable but not listed; `retired` is neither. */
  readonly status: 'listed' | 'hidden' | 'retired';
  /** Previous, current and scheduled prices, each with all classes resolved. */
  readonly prices: readonly PriceVersion[];
  /** The current price as published, for `GET /api/models`. */
  readonly published: readonly PublishedPriceTier[];
  readonly routes: readonly SnapshotRoute[];
}

export interface SnapshotUpstream {
  readonly id: string;
  readonly name: string;
  readonly vendor: string;
  readonly protocol: ProviderProtocol;
  /** As in the vendor's own SDK: OpenAI style ends in `/v1`. No trailing slash. */
  readonly baseUrl: string;
  /** Sealed with purpose `upstreamCredential`; `null`: the upstream asks for none. */
  readonly sealedCredential: string | null;
  readonly sandbox: boolean;
}

export interface SnapshotCatalog {
  readonly models: readonly SnapshotModel[];
  readonly upstreams: readonly SnapshotUpstream[];
}

export interface SnapshotShard {
  readonly accounts: readonly SnapshotAccount[];
  readonly keys: readonly SnapshotKey[];
}

/** A stored part: `body` is the JSON text of the part, `digest` its SHA-256, `sequence` the last change inside it. */
export interface SnapshotPart {
  readonly format: number;
  readonly sequence: number;
  readonly digest: string;
  readonly body: string;
}

/** One numbered change. Changes carry whole states, so applying one twice is harmless. */
export type SnapshotChange =
  | { readonly kind: 'key'; readonly id: string; readonly key: SnapshotKey | null }
  | { readonly kind: 'account'; readonly id: string; readonly account: SnapshotAccount | null }
  | { readonly kind: 'catalog'; readonly catalog: SnapshotCatalog };

/** The shard of a key or account: the first byte of the SHA-256 of its id. */
export function shardOf(id: string): number {
  return createHash('sha256').update(id).digest()[0] ?? 0;
}

export function encodeSnapshotPart(body: SnapshotCatalog | SnapshotShard, sequence: number): string {
  const text = JSON.stringify(body);
  const part: SnapshotPart = { format: SNAPSHOT_FORMAT, sequence, digest: digestOf(text), body: text };
  return JSON.stringify(part);
}

export class SnapshotFormatError extends Error {
  override readonly name = 'SnapshotFormatError';
}

/** Opens a stored part. Throws {@link SnapshotFormatError} when its format is unknown or its digest does not match. */
export function decodeSnapshotPart<Body extends SnapshotCatalog | SnapshotShard>(
  text: string,
): { sequence: number; body: Body } {
  const part = JSON.parse(text) as SnapshotPart;
  if (part.format !== SNAPSHOT_FORMAT)
    throw new SnapshotFormatError(`Snapshot format ${part.format} is not known here`);
  if (digestOf(part.body) !== part.digest)
    throw new SnapshotFormatError('Snapshot part does not match its digest');
  return { sequence: part.sequence, body: JSON.parse(part.body) as Body };
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
