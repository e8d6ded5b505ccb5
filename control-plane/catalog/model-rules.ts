import type { ModelCapabilities, ReasoningCapability } from '#shared/snapshot.ts';
import { checkInteger, checkText } from '../input-rules.ts';
import { type UserError, userError } from '../user-error.ts';

/** What a model can take or give, as the public catalog words it. */
export const MODALITIES = ['text', 'image', 'audio', 'video', 'pdf'] as const;
export type Modality = (typeof MODALITIES)[number];

const MODEL_ID = /^[a-z0-9][a-z0-9-]{0,63}\/[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$/;
const MAX_TOKENS = 100_000_000;
const MAX_TEXT_LENGTH = 128;
export const MAX_EFFORT_LEVELS = 16;
const EFFORT_LEVEL = /^[a-z][a-z0-9_-]{0,31}$/;

/** All that the catalog says of a model besides its id, price and routes. */
export interface ModelDetails {
  readonly author: string;
  readonly displayName: string;
  readonly family: string | null;
  /** `YYYY-MM-DD`. */
  readonly releasedOn: string;
  readonly contextTokens: number | null;
  readonly maxOutputTokens: number | null;
  readonly inputModalities: readonly Modality[];
  readonly outputModalities: readonly Modality[];
  readonly capabilities: ModelCapabilities;
  /** The name that the vendor's own API knows the model by. */
  readonly providerModel: string;
}

/** A model's id is what clients send: the code of its vendor, a slash and a name. */
export function checkModelId(id: string): UserError[] {
  if (MODEL_ID.test(id)) return [];
  const rule =
    'A model id is `vendor/name`: a vendor code of lower-case letters, digits or "-", and 1 to 128 letters, digits or . _ : @ + -';
  return [userError('INVALID_INPUT', rule, 'id')];
}

/** What is wrong with the details that are given; one that is left out is not looked at. */
export function checkModelDetails(details: Partial<ModelDetails>): UserError[] {
  const { releasedOn, contextTokens, maxOutputTokens, capabilities } = details;
  return [
    ...checkOptionalText(details.author, 'An author', 'author'),
    ...checkOptionalText(details.displayName, 'A display name', 'displayName'),
    ...checkOptionalText(details.family, 'A family', 'family'),
    ...checkOptionalText(details.providerModel, "A provider's model name", 'providerModel'),
    ...(releasedOn === undefined || isCalendarDay(releasedOn)
      ? []
      : [userError('INVALID_INPUT', 'A release date is a calendar day, `YYYY-MM-DD`.', 'releasedOn')]),
    ...checkOptionalTokens(contextTokens, 'contextTokens'),
    ...checkOptionalTokens(maxOutputTokens, 'maxOutputTokens'),
    ...checkModalities(details.inputModalities, 'inputModalities'),
    ...checkModalities(details.outputModalities, 'outputModalities'),
    ...(capabilities?.reasoning === undefined ? [] : checkReasoning(capabilities.reasoning)),
  ];
}

function checkOptionalText(value: string | null | undefined, what: string, path: string): UserError[] {
  return value === undefined || value === null ? [] : checkText(value, what, MAX_TEXT_LENGTH, [path]);
}

function checkOptionalTokens(value: number | null | undefined, path: string): UserError[] {
  return value === undefined || value === null ? [] : checkInteger(value, { min: 1, max: MAX_TOKENS }, path);
}

function checkModalities(modalities: readonly Modality[] | undefined, path: string): UserError[] {
  if (modalities === undefined) return [];
  if (modalities.length > 0 && new Set(modalities).size === modalities.length) return [];
  return [userError('INVALID_INPUT', 'Name at least one, and each once.', path)];
}

function checkReasoning({ effort, budget_tokens: budget }: ReasoningCapability): UserError[] {
  const path = ['capabilities', 'reasoning'];
  const errors: UserError[] = [];
  if (
    effort !== undefined &&
    (effort.length < 1 ||
      effort.length > MAX_EFFORT_LEVELS ||
      new Set(effort).size !== effort.length ||
      !effort.every((level) => EFFORT_LEVEL.test(level)))
  )
    errors.push(
      userError(
        'INVALID_INPUT',
        `Name 1 to ${MAX_EFFORT_LEVELS} different effort levels of lower-case letters, digits, _ or -.`,
        ...path,
        'effort',
      ),
    );
  for (const [member, value] of Object.entries(budget ?? {}))
    errors.push(...checkInteger(value, { min: 0, max: MAX_TOKENS }, ...path, 'budgetTokens', member));
  if (errors.length === 0 && budget?.min !== undefined && budget.max !== undefined && budget.min > budget.max)
    errors.push(
      userError('INVALID_INPUT', 'The smallest budget is above the largest.', ...path, 'budgetTokens'),
    );
  return errors;
}

function isCalendarDay(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const atMs = Date.parse(`${text}T00:00:00Z`);
  // `Date.parse` takes the 31st of a month of 30 days for the 1st of the next.
  return !Number.isNaN(atMs) && new Date(atMs).toISOString().startsWith(text);
}
