import type { Gateway } from '#data-plane/gateway.ts';
import { mayUse, modelNotFound, resolveModel } from '#data-plane/routing/resolve-model.ts';
import type { CompiledKey, CompiledSnapshot } from '#data-plane/snapshot/compiled-snapshot.ts';
import { isFault } from '#shared/fault.ts';
import type { ModelCapabilities, SnapshotModel } from '#shared/snapshot.ts';
import { answerFault, answerJson, type Exchange } from './exchange.ts';
import { withKey } from './shared-get.ts';

const MS_PER_SECOND = 1_000;

/** `GET /v1/models`: the key's aliases first, then the models that it may use; everything on one page. */
export function listModels(gateway: Gateway, exchange: Exchange): void {
  withKey(gateway, exchange, 'bearer', (key, snapshot) => {
    const data = [
      ...aliasEntries(key, snapshot),
      ...catalogEntries(snapshot).filter(({ id }) => mayUse(key, id)),
    ];
    const list = {
      object: 'list',
      data,
      has_more: false,
      first_id: data[0]?.id ?? null,
      last_id: data.at(-1)?.id ?? null,
    };
    answerJson(exchange, JSON.stringify(list));
  });
}

/** `GET /v1/models/{model}`; the id's slash may come encoded or not. */
export function showModel(gateway: Gateway, exchange: Exchange, encodedId: string): void {
  withKey(gateway, exchange, 'bearer', (key, snapshot) => {
    const id = decodePathPart(encodedId);
    const resolved = resolveModel(id, key, snapshot);
    if (isFault(resolved)) {
      answerFault(exchange, modelNotFound(id, null));
      return;
    }
    const { config } = resolved.model;
    const entry = resolved.alias === null ? modelEntry(config) : aliasEntry(id, config);
    answerJson(exchange, JSON.stringify(entry));
  });
}

interface ModelEntry extends Record<string, unknown> {
  readonly id: string;
}

/** The catalog's entries are the same for every key until the catalog changes. */
const catalogCache = new WeakMap<CompiledSnapshot['listedModels'], readonly ModelEntry[]>();

function catalogEntries(snapshot: CompiledSnapshot): readonly ModelEntry[] {
  let entries = catalogCache.get(snapshot.listedModels);
  if (entries === undefined) {
    entries = snapshot.listedModels.map((model) => modelEntry(model.config));
    catalogCache.set(snapshot.listedModels, entries);
  }
  return entries;
}

/** An alias whose target is gone or not allowed is left out: calling it would fail. */
function aliasEntries(key: CompiledKey, snapshot: CompiledSnapshot): ModelEntry[] {
  return key.config.aliases.flatMap(({ alias, model }) => {
    const target = snapshot.findModel(model);
    return target === undefined || target.config.status === 'retired' || !mayUse(key, model)
      ? []
      : [aliasEntry(alias, target.config)];
  });
}

function aliasEntry(name: string, model: SnapshotModel): ModelEntry {
  return { ...modelEntry(model), id: name, root: model.id };
}

/** The union of what OpenAI's and Anthropic's clients expect of a model; unknown limits are left out. */
function modelEntry(model: SnapshotModel): ModelEntry {
  const capabilities = capabilityFlags(model.capabilities);
  return {
    id: model.id,
    object: 'model',
    type: 'model',
    display_name: model.displayName,
    created: model.releasedAt,
    created_at: rfc3339(model.releasedAt),
    owned_by: model.author,
    ...(model.contextTokens === null ? {} : { context_length: model.contextTokens }),
    ...(model.maxOutputTokens === null ? {} : { max_completion_tokens: model.maxOutputTokens }),
    architecture: { input_modalities: model.inputModalities, output_modalities: model.outputModalities },
    ...(Object.keys(capabilities).length === 0 ? {} : { capabilities }),
  };
}

function capabilityFlags(capabilities: ModelCapabilities): Record<string, true> {
  const { tools, json, temperature, attachment, reasoning } = capabilities;
  const flags = { tools, json, temperature, attachment, reasoning: reasoning !== undefined };
  return Object.fromEntries(Object.entries(flags).flatMap(([name, value]) => (value ? [[name, true]] : [])));
}

function rfc3339(unixSeconds: number): string {
  return new Date(unixSeconds * MS_PER_SECOND).toISOString().replace('.000Z', '+00:00');
}

function decodePathPart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
