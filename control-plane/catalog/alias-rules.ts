import { inArray } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { models } from '#db/schema/catalog.ts';
import { type UserError, userError } from '../user-error.ts';

export const MAX_ALIASES_PER_KEY = 100;
/** What model names are made of anywhere: letters, digits and . _ : / @ + - [ ], beginning with a letter or digit. */
const ALIAS_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._:/@+[\]-]{0,127}$/;

/** The form of an alias; whether its target exists is for {@link checkModel}. */
export function checkAliasName(alias: string, ...path: string[]): UserError[] {
  if (ALIAS_PATTERN.test(alias)) return [];
  const rule =
    'An alias has 1 to 128 letters, digits or . _ : / @ + - [ ] and begins with a letter or a digit.';
  return [userError('INVALID_INPUT', rule, ...path)];
}

type ModelStatuses = ReadonlyMap<string, 'listed' | 'hidden' | 'retired'>;

/** The status of each model that exists among these, in one query. */
export async function readModelStatuses(
  tx: Transaction,
  modelIds: readonly string[],
): Promise<ModelStatuses> {
  const wanted = [...new Set(modelIds)];
  if (wanted.length === 0) return new Map();
  const rows = await tx
    .select({ id: models.id, status: models.status })
    .from(models)
    .where(inArray(models.id, wanted));
  return new Map(rows.map(({ id, status }) => [id, status]));
}

/** An alias or an allow-list names models that the catalog has and that are not retired. */
export function checkModel(known: ModelStatuses, modelId: string, ...path: string[]): UserError[] {
  const status = known.get(modelId);
  if (status === undefined)
    return [userError('NOT_FOUND', 'The catalog has no model with this id.', ...path)];
  if (status === 'retired') return [userError('MODEL_RETIRED', 'This model is retired.', ...path)];
  return [];
}
