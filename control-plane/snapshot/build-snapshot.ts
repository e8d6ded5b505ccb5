import type { Sql } from '#db/client.ts';
import {
  type PriceVersion,
  type PublishedPrice,
  type PublishedPriceTier,
  priceAt,
  resolvePrice,
  type ToolPrices,
} from '#shared/price.ts';
import type {
  KeyBudget,
  ModelCapabilities,
  SnapshotAccount,
  SnapshotCatalog,
  SnapshotKey,
  SnapshotModel,
  SnapshotRoute,
  SnapshotUpstream,
} from '#shared/snapshot.ts';
import type { ProviderProtocol } from '#shared/usage-record.ts';
import { endpointsOf, VENDORS } from '../catalog/vendors.ts';

/** A sandbox to fall back on where a vendor has no credential; development only. */
export interface SandboxUpstream {
  readonly baseUrl: string;
}

const SANDBOX_NAME = 'sandbox';

/** One upstream per protocol that the sandbox speaks; base URLs differ as those of the vendors' own SDKs do. */
const SANDBOX_ENDPOINTS: Readonly<
  Record<ProviderProtocol, { readonly id: string; readonly basePath: string }>
> = {
  chat: { id: '00000000-0000-7000-8000-000000000000', basePath: '/v1' },
  responses: { id: '00000000-0000-7000-8000-000000000001', basePath: '/v1' },
  messages: { id: '00000000-0000-7000-8000-000000000002', basePath: '' },
  gemini: { id: '00000000-0000-7000-8000-000000000003', basePath: '/v1beta' },
};
const PROTOCOLS: readonly ProviderProtocol[] = ['chat', 'responses', 'messages', 'gemini'];

type Queryable = Pick<Sql, 'unsafe'> & Sql;

interface ModelRow {
  id: string;
  vendor: string;
  author: string;
  display_name: string;
  released_on: string;
  context_tokens: number | null;
  max_output_tokens: number | null;
  input_modalities: string[];
  output_modalities: string[];
  capabilities: ModelCapabilities;
  status: SnapshotModel['status'];
  provider_model: string;
}

interface PriceRow {
  id: string;
  model_id: string;
  effective_at_ms: string;
  tiers: PublishedPriceTier[];
  service_tiers: PublishedPrice['serviceTiers'];
  per_request_nano: string;
  per_tool_call_nano: ToolPrices;
}

interface RouteRow {
  model_id: string;
  upstream_id: string;
  provider_model: string;
  weight: number;
  priority: number;
}

interface UpstreamRow {
  id: string;
  name: string;
  vendor: string;
  protocol: ProviderProtocol;
  base_url: string;
  sealed_credential: string | null;
}

/** Reads the catalog as data planes need it at `nowMs`. Without a `sandbox`, a model without a route cannot be called. */
export async function readCatalog(
  sql: Queryable,
  nowMs: number,
  sandbox: SandboxUpstream | undefined,
): Promise<SnapshotCatalog> {
  const models = await sql<ModelRow[]>`
    select id, vendor, author, display_name, released_on::text, context_tokens, max_output_tokens,
      input_modalities, output_modalities, capabilities, status, provider_model
    from models order by id`;
  const prices = await sql<PriceRow[]>`
    select id, model_id, (extract(epoch from effective_at) * 1000)::bigint::text as effective_at_ms, tiers,
      service_tiers, per_request_nano::text, per_tool_call_nano
    from price_versions order by model_id, effective_at, id`;
  const upstreams = await sql<UpstreamRow[]>`
    select id, name, vendor, protocol, base_url, sealed_credential from upstreams where enabled order by id`;
  const routes = await sql<RouteRow[]>`
    select routes.model_id, routes.upstream_id, routes.provider_model, routes.weight, routes.priority
    from routes join upstreams on upstreams.id = routes.upstream_id
    where upstreams.enabled order by routes.priority, routes.id`;
  const pricesByModel = Map.groupBy(prices, (row) => row.model_id);
  const routesByModel = Map.groupBy(routes, (row) => row.model_id);
  const published: SnapshotUpstream[] = upstreams.map((row) => ({
    id: row.id,
    name: row.name,
    vendor: row.vendor,
    protocol: row.protocol,
    baseUrl: row.base_url,
    sealedCredential: row.sealed_credential,
    sandbox: false,
  }));
  if (sandbox) published.push(...PROTOCOLS.map((protocol) => sandboxUpstream(sandbox, protocol)));
  return {
    models: models.map((row) =>
      toModel(
        row,
        pricesByModel.get(row.id) ?? [],
        routesByModel.get(row.id) ?? [],
        nowMs,
        sandbox !== undefined,
      ),
    ),
    upstreams: published,
  };
}

function sandboxUpstream({ baseUrl }: SandboxUpstream, protocol: ProviderProtocol): SnapshotUpstream {
  const { id, basePath } = SANDBOX_ENDPOINTS[protocol];
  const name = protocol === 'chat' ? SANDBOX_NAME : `${SANDBOX_NAME}-${protocol}`;
  const url = `${new URL(baseUrl).origin}${basePath}`;
  return { id, name, vendor: SANDBOX_NAME, protocol, baseUrl: url, sealedCredential: null, sandbox: true };
}

/** The sandbox answers for a model in the protocols of the model's own vendor. */
function sandboxRoutes(vendorCode: string, providerModel: string): SnapshotRoute[] {
  const vendor = VENDORS.find((each) => each.code === vendorCode);
  const endpoints = vendor === undefined ? [{ protocol: 'chat' as const, priority: 0 }] : endpointsOf(vendor);
  return endpoints.map(({ protocol, priority }) => ({
    upstreamId: SANDBOX_ENDPOINTS[protocol].id,
    providerModel,
    weight: 1,
    priority,
  }));
}

function toModel(
  row: ModelRow,
  priceRows: readonly PriceRow[],
  routeRows: readonly RouteRow[],
  nowMs: number,
  sandboxed: boolean,
): SnapshotModel {
  const versions = priceRows.map((price) => toPriceVersion(price, row.vendor));
  const current = priceAt(versions, nowMs);
  const routes: SnapshotRoute[] = routeRows.map((route) => ({
    upstreamId: route.upstream_id,
    providerModel: route.provider_model,
    weight: route.weight,
    priority: route.priority,
  }));
  if (routes.length === 0 && sandboxed) routes.push(...sandboxRoutes(row.vendor, row.provider_model));
  return {
    id: row.id,
    vendor: row.vendor,
    author: row.author,
    displayName: row.display_name,
    releasedAt: Math.floor(Date.parse(`${row.released_on}T00:00:00Z`) / 1000),
    contextTokens: row.context_tokens,
    maxOutputTokens: row.max_output_tokens,
    inputModalities: row.input_modalities,
    outputModalities: row.output_modalities,
    capabilities: row.capabilities,
    status: row.status,
    prices: relevantPrices(versions, nowMs),
    published: priceRows.find((price) => price.id === current?.id)?.tiers ?? [],
    routes,
  };
}

function toPriceVersion(row: PriceRow, vendor: string): PriceVersion {
  return resolvePrice(
    {
      tiers: row.tiers,
      serviceTiers: row.service_tiers,
      perRequestNano: row.per_request_nano,
      perToolCallNano: row.per_tool_call_nano,
    },
    { id: row.id, effectiveAtMs: Number(row.effective_at_ms), vendor },
  );
}

/** Previous, current and scheduled prices: a request admitted just before a change still finds its price. */
function relevantPrices(sorted: readonly PriceVersion[], nowMs: number): PriceVersion[] {
  const scheduled = sorted.findIndex((version) => version.effectiveAtMs > nowMs);
  const firstScheduled = scheduled === -1 ? sorted.length : scheduled;
  return sorted.slice(Math.max(0, firstScheduled - 2));
}

interface KeyRow {
  id: string;
  digest: string;
  account_id: string;
  status: SnapshotKey['status'];
  expires_at_ms: string | null;
  rpm_limit: number;
  tpm_limit: number;
  concurrency_limit: number | null;
  budget_nano: string | null;
  budget_period: KeyBudget['period'];
  allowed_models: string[] | null;
  allowed_addresses: string[] | null;
  previous_digest: string | null;
  previous_valid_until_ms: string | null;
  aliases: SnapshotKey['aliases'];
}

/** Which keys or accounts to read: some by id, or all whose shard is in a list. */
export type SnapshotScope = { readonly ids: readonly string[] } | { readonly shards: readonly number[] };

/** The state of keys that data planes may accept or must answer for; deleted keys are absent. */
export async function readKeys(sql: Queryable, scope: SnapshotScope): Promise<SnapshotKey[]> {
  const rows = await sql<KeyRow[]>`
    select api_keys.id, digest, account_id, status, rpm_limit, tpm_limit,
      concurrency_limit, budget_nano::text, budget_period, allowed_models, allowed_addresses, previous_digest,
      (extract(epoch from previous_valid_until) * 1000)::bigint::text as previous_valid_until_ms,
      (extract(epoch from expires_at) * 1000)::bigint::text as expires_at_ms,
      coalesce((
        select jsonb_agg(jsonb_build_object('alias', alias, 'kind', kind, 'model', model_id) order by alias)
        from model_aliases where model_aliases.api_key_id = api_keys.id), '[]'::jsonb) as aliases
    from api_keys
    where status <> 'deleted' and ${inScope(sql, 'api_keys.id', scope)}`;
  return rows.map(toKey);
}

function toKey(row: KeyRow): SnapshotKey {
  const { previous_digest: previousDigest, previous_valid_until_ms: validUntilMs } = row;
  return {
    id: row.id,
    digest: row.digest,
    accountId: row.account_id,
    status: row.status,
    expiresAtMs: row.expires_at_ms === null ? null : Number(row.expires_at_ms),
    rpmLimit: row.rpm_limit,
    tpmLimit: row.tpm_limit,
    ...(row.concurrency_limit !== null && { concurrencyLimit: row.concurrency_limit }),
    ...(row.budget_nano !== null && {
      budget: { limitNano: row.budget_nano, period: row.budget_period },
    }),
    ...(row.allowed_models !== null && { allowedModels: row.allowed_models }),
    ...(row.allowed_addresses !== null && { allowedAddresses: row.allowed_addresses }),
    ...(previousDigest !== null &&
      validUntilMs !== null && {
        previousSecret: { digest: previousDigest, validUntilMs: Number(validUntilMs) },
      }),
    aliases: row.aliases,
  };
}

export async function readAccounts(sql: Queryable, scope: SnapshotScope): Promise<SnapshotAccount[]> {
  const rows = await sql<SnapshotAccount[]>`
    select id, status from accounts where ${inScope(sql, 'accounts.id', scope)}`;
  return rows.map(({ id, status }) => ({ id, status }));
}

/** The SQL twin of `shardOf`: first byte of the SHA-256 of the id's text. */
function inScope(sql: Queryable, column: string, scope: SnapshotScope) {
  const id = sql(column);
  if ('ids' in scope) return sql`${id} = any(${[...scope.ids]}::uuid[])`;
  return sql`get_byte(sha256(convert_to(${id}::text, 'UTF8')), 0) = any(${[...scope.shards]}::int[])`;
}
