import { systemClock } from '#shared/clock.ts';
import { checkAliasName, checkModel, MAX_ALIASES_PER_KEY } from '../catalog/alias-rules.ts';
import { checkExpiry, checkExternalId, checkInteger, checkName } from '../input-rules.ts';
import { checkMetadata, type Metadata } from '../metadata-rules.ts';
import { type UserError, userError } from '../user-error.ts';
import {
  type BudgetPeriod,
  checkAddresses,
  checkListLength,
  DEFAULT_RPM_LIMIT,
  DEFAULT_TPM_LIMIT,
  MAX_ALLOWED_MODELS,
  MAX_CONCURRENCY_LIMIT,
  MAX_RPM_LIMIT,
  MAX_TPM_LIMIT,
  readBudget,
} from './key-rules.ts';

export interface AliasSpec {
  readonly alias: string;
  readonly kind: 'exact' | 'prefix';
  readonly model: string;
}

/** What somebody wants of a new key; what is absent has its default. */
export interface KeySpec {
  readonly name: string;
  readonly rpmLimit?: number | undefined;
  readonly tpmLimit?: number | undefined;
  readonly concurrencyLimit?: number | null;
  readonly budgetUsd?: string | null;
  readonly budgetPeriod?: BudgetPeriod | undefined;
  readonly allowedModels?: readonly string[] | null;
  readonly allowedAddresses?: readonly string[] | null;
  readonly externalId?: string | null;
  readonly metadata?: Metadata | undefined;
  readonly expiresAt: Date | null;
  readonly aliases?: readonly AliasSpec[];
}

type ModelStatuses = Parameters<typeof checkModel>[0];

/** Everything about a new key that can be judged without its account. `known`: the models that the spec names. */
export function checkKeySpec(spec: KeySpec, known: ModelStatuses, ...path: string[]): UserError[] {
  const { rpmLimit = DEFAULT_RPM_LIMIT, tpmLimit = DEFAULT_TPM_LIMIT, concurrencyLimit = null } = spec;
  const { allowedModels = null, externalId = null } = spec;
  return [
    ...checkName(spec.name, ...path, 'name'),
    ...checkInteger(rpmLimit, { min: 1, max: MAX_RPM_LIMIT }, ...path, 'rpmLimit'),
    ...checkInteger(tpmLimit, { min: 1, max: MAX_TPM_LIMIT }, ...path, 'tpmLimit'),
    ...(concurrencyLimit === null
      ? []
      : checkInteger(concurrencyLimit, { min: 1, max: MAX_CONCURRENCY_LIMIT }, ...path, 'concurrencyLimit')),
    ...readBudget(spec.budgetUsd ?? null, ...path, 'budgetUsd').errors,
    ...checkListLength(allowedModels, MAX_ALLOWED_MODELS, ...path, 'allowedModels'),
    ...(allowedModels ?? []).flatMap((model, index) =>
      checkModel(known, model, ...path, 'allowedModels', String(index)),
    ),
    ...checkAddresses(spec.allowedAddresses ?? null, ...path, 'allowedAddresses'),
    ...(externalId === null ? [] : checkExternalId(externalId, ...path, 'externalId')),
    ...checkMetadata(spec.metadata ?? {}, ...path, 'metadata'),
    ...checkExpiry(spec.expiresAt, systemClock.nowMs(), ...path, 'expiresAt'),
    ...checkAliases(spec.aliases ?? [], known, ...path, 'aliases'),
  ];
}

function checkAliases(aliases: readonly AliasSpec[], known: ModelStatuses, ...path: string[]): UserError[] {
  if (aliases.length > MAX_ALIASES_PER_KEY)
    return [
      userError('ALIAS_LIMIT_REACHED', `An API key has at most ${MAX_ALIASES_PER_KEY} aliases.`, ...path),
    ];
  const seen = new Set<string>();
  return aliases.flatMap(({ alias, model }, index) => {
    const at = [...path, String(index)];
    const repeated = seen.has(alias);
    seen.add(alias);
    return [
      ...checkAliasName(alias, ...at, 'alias'),
      ...(repeated ? [userError('INVALID_INPUT', 'This alias is listed twice.', ...at, 'alias')] : []),
      ...checkModel(known, model, ...at, 'model'),
    ];
  });
}

/** The columns of a checked spec, by their names in the table and safe for JSON. */
export function toKeyColumns(spec: KeySpec): Readonly<Record<string, unknown>> {
  return {
    name: spec.name,
    rpm_limit: spec.rpmLimit ?? DEFAULT_RPM_LIMIT,
    tpm_limit: spec.tpmLimit ?? DEFAULT_TPM_LIMIT,
    concurrency_limit: spec.concurrencyLimit ?? null,
    budget_nano: readBudget(spec.budgetUsd ?? null).nano?.toString() ?? null,
    budget_period: spec.budgetPeriod ?? 'none',
    allowed_models: spec.allowedModels ?? null,
    allowed_addresses: spec.allowedAddresses ?? null,
    external_id: spec.externalId ?? null,
    metadata: spec.metadata ?? {},
    expires_at: spec.expiresAt?.toISOString() ?? null,
  };
}
