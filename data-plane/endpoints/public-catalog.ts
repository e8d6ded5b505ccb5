import type { Gateway } from '#data-plane/gateway.ts';
import type { PublishedPriceTier } from '#shared/price.ts';
import type { SnapshotModel } from '#shared/snapshot.ts';
import { answerJson, type Exchange } from './exchange.ts';

/** `GET /api/models`: the catalog with prices, for everybody. */
export function publicCatalog(gateway: Gateway, exchange: Exchange): void {
  const { listedModels } = gateway.snapshots.current();
  answerJson(exchange, JSON.stringify({ data: listedModels.map((model) => catalogEntry(model.config)) }));
}

function catalogEntry(model: SnapshotModel): Record<string, unknown> {
  const { capabilities } = model;
  const reasoning = capabilities.reasoning;
  return {
    id: model.id,
    vendor_code: model.vendor,
    display_name: model.displayName,
    context_window_tokens: model.contextTokens,
    max_output_tokens: model.maxOutputTokens,
    modalities: { input: model.inputModalities, output: model.outputModalities },
    capabilities: {
      tools: capabilities.tools,
      ...(capabilities.json === null ? {} : { json: capabilities.json }),
      ...(capabilities.temperature === null ? {} : { temperature: capabilities.temperature }),
      ...(capabilities.attachment === null ? {} : { attachment: capabilities.attachment }),
      ...(reasoning === undefined ? {} : { reasoning }),
    },
    status: 'active',
    released_at: model.releasedAt,
    currency: 'USD',
    pricing: model.published.length === 0 ? null : { tiers: model.published.map(priceTier) },
  };
}

function priceTier(tier: PublishedPriceTier): Record<string, number | null> {
  return {
    threshold: tier.aboveTokens,
    input_micro_per_1m: tier.inputMicroPerM,
    output_micro_per_1m: tier.outputMicroPerM,
    cache_read_micro_per_1m: tier.cacheReadMicroPerM,
    cache_creation_micro_per_1m: tier.cacheWrite5mMicroPerM,
  };
}
