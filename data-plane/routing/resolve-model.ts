import type { CompiledKey, CompiledModel, CompiledSnapshot } from '#data-plane/snapshot/compiled-snapshot.ts';
import { type Fault, fault } from '#shared/fault.ts';

/** The model that a requested name means for one key. */
export interface ResolvedModel {
  readonly model: CompiledModel;
  /** The alias that matched (its own text, for a prefix the prefix), `null` when the name is a catalog id. */
  readonly alias: string | null;
}

/** The catalog id behind `requested`: exact alias, else the longest prefix alias, else the name itself. One step only. */
export function resolveAlias(requested: string, key: CompiledKey): { target: string; alias: string | null } {
  const exact = key.exactAliases.get(requested);
  if (exact !== undefined) return { target: exact, alias: requested };
  for (const { prefix, model } of key.prefixAliases) {
    if (requested.startsWith(prefix)) return { target: model, alias: prefix };
  }
  return { target: requested, alias: null };
}

/** Finds the model that `requested` means; retired models are not found, nor those that the key may not use. */
export function resolveModel(
  requested: string,
  key: CompiledKey,
  snapshot: CompiledSnapshot,
): ResolvedModel | Fault {
  const { target, alias } = resolveAlias(requested, key);
  const model = snapshot.findModel(target);
  if (model === undefined || model.config.status === 'retired' || !mayUse(key, target))
    return modelNotFound(requested, 'model');
  return { model, alias };
}

/** Whether the key may use the model of this catalog id. */
export function mayUse({ config }: CompiledKey, modelId: string): boolean {
  return config.allowedModels?.includes(modelId) ?? true;
}

export function modelNotFound(requested: string, param: 'model' | null): Fault {
  const shown = requested.slice(0, MAX_SHOWN_NAME);
  return fault('model_not_found', `Model '${shown}' was not found or is unavailable.`, { param });
}

const MAX_SHOWN_NAME = 256;
