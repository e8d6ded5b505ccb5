import type { ProviderTarget } from '#data-plane/dialects/codec.ts';
import type { JsonObject, ReasoningRequest } from '#data-plane/dialects/turn.ts';

/** Budgets that Google's own compatible API puts in the place of efforts, in tokens. */
const EFFORT_BUDGETS: Readonly<Record<string, number>> = {
  minimal: 512,
  low: 1_024,
  medium: 8_192,
  high: 24_576,
  xhigh: 24_576,
  max: 24_576,
};
/** The largest budget of a level, in tokens; above all of them it is `HIGH`. */
const LEVEL_BUDGETS: readonly (readonly [number, string])[] = [
  [512, 'minimal'],
  [4_096, 'low'],
  [16_384, 'medium'],
];
/** Lets the model choose how long it thinks. */
const OWN_CHOICE = -1;

/** How the model is to think. Models that know the effort `minimal` take levels; a budget is understood by all others. */
export function thinkingConfig(reasoning: ReasoningRequest | undefined, target: ProviderTarget): JsonObject {
  if (reasoning === undefined || target.capabilities.reasoning === false) return {};
  const { reasoningEfforts, thinkingBudget } = target.capabilities;
  const takesLevels = !thinkingBudget && (reasoningEfforts?.includes('minimal') ?? false);
  const isOff = reasoning.mode === 'disabled' || reasoning.effort === 'none' || reasoning.budgetTokens === 0;
  const config = takesLevels ? levelOf(reasoning, isOff) : budgetOf(reasoning, isOff);
  if (!isOff && reasoning.summary !== 'none') config.includeThoughts = true;
  return Object.keys(config).length === 0 ? {} : { thinkingConfig: config };
}

function levelOf(reasoning: ReasoningRequest, isOff: boolean): JsonObject {
  if (isOff) return { thinkingLevel: 'MINIMAL' };
  const { effort, budgetTokens } = reasoning;
  if (effort !== undefined) return { thinkingLevel: levelNamed(effort) };
  if (budgetTokens === undefined) return {};
  const level = LEVEL_BUDGETS.find(([limit]) => budgetTokens <= limit)?.[1] ?? 'high';
  return { thinkingLevel: levelNamed(level) };
}

function levelNamed(effort: string): string {
  return effort === 'minimal' || effort === 'low' || effort === 'medium' ? effort.toUpperCase() : 'HIGH';
}

function budgetOf(reasoning: ReasoningRequest, isOff: boolean): JsonObject {
  if (isOff) return { thinkingBudget: 0 };
  const { effort, budgetTokens, mode } = reasoning;
  const budget = budgetTokens ?? (effort === undefined ? undefined : EFFORT_BUDGETS[effort]);
  if (budget !== undefined) return { thinkingBudget: budget };
  return mode === undefined ? {} : { thinkingBudget: OWN_CHOICE };
}
