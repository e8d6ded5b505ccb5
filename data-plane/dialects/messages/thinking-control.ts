import type { ProviderTarget } from '#data-plane/dialects/codec.ts';
import type { RequestLosses } from '#data-plane/dialects/loss-rule.ts';
import { dropReasoning } from '#data-plane/dialects/reasoning-loss.ts';
import type { JsonObject, ReasoningRequest, TurnRequest } from '#data-plane/dialects/turn.ts';

const LEAST_BUDGET_TOKENS = 1_024;
const MOST_BUDGET_TOKENS = 32_000;
/** From least to most; what a model does not know becomes the next lower one that it knows, else the next higher. */
const EFFORTS: readonly string[] = ['minimal', 'low', 'medium', 'high', 'xhigh', 'max'];
const BUDGET_OF_EFFORT: Readonly<Record<string, number>> = {
  minimal: LEAST_BUDGET_TOKENS,
  low: 2_048,
  medium: 8_192,
  high: 24_576,
  xhigh: MOST_BUDGET_TOKENS,
  max: MOST_BUDGET_TOKENS,
};
/** Least budget of an effort, where only an effort can be said. */
const EFFORT_OF_BUDGET: readonly (readonly [number, string])[] = [
  [16_384, 'high'],
  [4_096, 'medium'],
  [0, 'low'],
];
const USUAL_EFFORTS: readonly string[] = ['low', 'medium', 'high'];

export interface ThinkingSituation {
  readonly maxTokens: number;
  /** The request forces a tool call, which excludes thinking within a budget. */
  readonly forcesCall: boolean;
  /** Thinking within a budget wants to see its own thought before the calls that were answered last. */
  readonly endsInForeignToolLoop: boolean;
}

export interface ThinkingControl {
  readonly thinking?: JsonObject;
  readonly effort?: string;
  /** True when the model will think: sampling is then fixed. */
  readonly isActive: boolean;
}

const SILENT: ThinkingControl = { isActive: false };

/**
 * How the turn's wish for reasoning is said to the model at hand: newer models take adaptive thinking with an effort,
 * older ones a budget of tokens below `max_tokens`.
 */
export function controlThinking(
  turn: TurnRequest,
  target: ProviderTarget,
  situation: ThinkingSituation,
  losses: RequestLosses,
): ThinkingControl {
  const { reasoning } = turn;
  if (reasoning === undefined) return SILENT;
  const { reasoningEfforts, thinkingBudget, temperature, reasoning: canReason } = target.capabilities;
  const isAdaptiveOnly = temperature === false || (reasoningEfforts !== undefined && !thinkingBudget);
  const isAdaptive =
    isAdaptiveOnly || (reasoningEfforts?.includes('max') === true && reasoning.budgetTokens === undefined);
  if (reasoning.mode === 'disabled' || reasoning.effort === 'none')
    return isAdaptiveOnly && canReason !== false
      ? { thinking: { type: 'disabled' }, isActive: false }
      : SILENT;
  if (isAdaptive && canReason !== false) return adaptive(reasoning, reasoningEfforts);
  if (canReason === false || !thinkingBudget || !wants(reasoning)) {
    if (wants(reasoning)) dropReasoning(reasoning, losses);
    return SILENT;
  }
  const budget = budgetOf(reasoning, situation.maxTokens);
  if (budget === undefined || situation.forcesCall || situation.endsInForeignToolLoop) {
    dropReasoning(reasoning, losses);
    return SILENT;
  }
  return { thinking: { type: 'enabled', budget_tokens: budget }, isActive: true };
}

function wants(reasoning: ReasoningRequest): boolean {
  return (
    reasoning.mode !== undefined || reasoning.effort !== undefined || reasoning.budgetTokens !== undefined
  );
}

function adaptive(reasoning: ReasoningRequest, known: readonly string[] | undefined): ThinkingControl {
  if (!wants(reasoning)) return SILENT;
  const wanted = reasoning.effort ?? effortOfBudget(reasoning.budgetTokens);
  const effort = wanted === undefined ? undefined : nearestEffort(wanted, known ?? USUAL_EFFORTS);
  // Without `display` newer models keep their thoughts to themselves.
  const thinking = { type: 'adaptive', display: reasoning.summary === 'none' ? 'omitted' : 'summarized' };
  return { thinking, ...(effort === undefined ? {} : { effort }), isActive: true };
}

function effortOfBudget(budgetTokens: number | undefined): string | undefined {
  if (budgetTokens === undefined) return undefined;
  return EFFORT_OF_BUDGET.find(([least]) => budgetTokens >= least)?.[1];
}

function nearestEffort(wanted: string, known: readonly string[]): string | undefined {
  if (known.includes(wanted)) return wanted;
  const rank = EFFORTS.indexOf(wanted);
  if (rank === -1) return undefined;
  const isKnown = (effort: string) => known.includes(effort);
  return EFFORTS.slice(0, rank).findLast(isKnown) ?? EFFORTS.slice(rank).find(isKnown);
}

/** `undefined` when `max_tokens` leaves no room for the least budget. */
function budgetOf(reasoning: ReasoningRequest, maxTokens: number): number | undefined {
  const room = maxTokens - 1;
  if (room < LEAST_BUDGET_TOKENS) return undefined;
  const stated = reasoning.budgetTokens;
  const wanted = stated ?? BUDGET_OF_EFFORT[reasoning.effort ?? 'medium'] ?? BUDGET_OF_EFFORT.medium ?? 0;
  // A budget that we chose must leave half of the tokens for the answer; the client's own may take all but one.
  const most = stated === undefined ? Math.max(LEAST_BUDGET_TOKENS, Math.floor(maxTokens / 2)) : room;
  return Math.max(LEAST_BUDGET_TOKENS, Math.min(wanted, MOST_BUDGET_TOKENS, most));
}
