import type { ProviderTarget } from '#data-plane/dialects/codec.ts';
import type { RequestLosses } from '#data-plane/dialects/loss-rule.ts';
import { dropReasoning } from '#data-plane/dialects/reasoning-loss.ts';
import type { JsonObject, ReasoningRequest } from '#data-plane/dialects/turn.ts';
import type { ProviderTraits } from './provider-traits.ts';

const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const;
/** Thinking budgets in tokens up to which an effort stands in for them. */
const BUDGET_EFFORTS: readonly (readonly [number, string])[] = [
  [1_024, 'minimal'],
  [4_096, 'low'],
  [16_384, 'medium'],
  [32_768, 'high'],
];
/** The other way round, where a vendor knows budgets only. */
const EFFORT_BUDGETS: Readonly<Record<string, number>> = {
  minimal: 1_024,
  low: 4_096,
  medium: 12_288,
  high: 24_576,
  xhigh: 32_768,
  max: 32_768,
};

/** Says how hard to think, in the fields that the vendor has; what has no field is noted as dropped. */
export function reasoningFields(
  reasoning: ReasoningRequest | undefined,
  target: ProviderTarget,
  traits: ProviderTraits,
  losses: RequestLosses,
): JsonObject {
  if (reasoning === undefined) return {};
  if (target.capabilities.reasoning === false) {
    if (!isOff(reasoning)) dropReasoning(reasoning, losses);
    return {};
  }
  if (reasoning.summary !== undefined) losses.admits('reasoning.summary');
  if (isOff(reasoning)) return switchFields(false, target, traits, losses);
  const budget = reasoning.budgetTokens ?? budgetFor(reasoning.effort, traits);
  if (budget !== undefined && traits.budgetField !== 'none') {
    return { ...switchFields(true, target, traits, losses), ...budgetFields(budget, traits) };
  }
  const effort = reasoning.effort ?? effortFor(reasoning.budgetTokens);
  if (effort === undefined)
    return reasoning.mode === undefined ? {} : switchFields(true, target, traits, losses);
  const allowed = nearestEffort(effort, target.capabilities.reasoningEfforts);
  switch (traits.effortField) {
    case 'reasoning_effort':
      return { reasoning_effort: allowed };
    case 'reasoning.effort':
      return { reasoning: { effort: allowed } };
    case 'none':
      return switchFields(true, target, traits, losses);
  }
}

function budgetFor(effort: string | undefined, traits: ProviderTraits): number | undefined {
  return effort === undefined || traits.effortField !== 'none' ? undefined : EFFORT_BUDGETS[effort];
}

function budgetFields(budget: number, traits: ProviderTraits): JsonObject {
  return traits.budgetField === 'thinking_budget'
    ? { thinking_budget: budget }
    : { reasoning: { max_tokens: budget } };
}

function isOff(reasoning: ReasoningRequest): boolean {
  return reasoning.mode === 'disabled' || reasoning.effort === 'none';
}

function switchFields(
  on: boolean,
  target: ProviderTarget,
  traits: ProviderTraits,
  losses: RequestLosses,
): JsonObject {
  switch (traits.switchField) {
    case 'thinking':
      return { thinking: { type: on ? 'enabled' : 'disabled' } };
    case 'enable_thinking':
      return { enable_thinking: on };
    case 'reasoning.enabled':
      return { reasoning: { enabled: on } };
    case 'reasoning_effort':
      return on ? {} : { reasoning_effort: nearestEffort('none', target.capabilities.reasoningEfforts) };
    case 'none':
      losses.drop(on ? 'reasoning.mode' : 'reasoning.off');
      return {};
  }
}

function effortFor(budgetTokens: number | undefined): string | undefined {
  if (budgetTokens === undefined) return undefined;
  return BUDGET_EFFORTS.find(([limit]) => budgetTokens <= limit)?.[1] ?? 'high';
}

/** The effort itself where the model knows it, else the nearest one that the model has, the lower of two. */
function nearestEffort(effort: string, known: readonly string[] | undefined): string {
  if (known === undefined || known.length === 0 || known.includes(effort)) return effort;
  const wanted = rankOf(effort);
  const candidates = known.filter((name) => name !== 'none' && rankOf(name) >= 0);
  const byDistance = candidates.sort((a, b) => Math.abs(rankOf(a) - wanted) - Math.abs(rankOf(b) - wanted));
  return byDistance[0] ?? effort;
}

function rankOf(effort: string): number {
  return (EFFORTS as readonly string[]).indexOf(effort);
}
