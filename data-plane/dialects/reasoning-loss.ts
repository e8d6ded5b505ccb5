import type { RequestLosses } from './loss-rule.ts';
import type { ReasoningRequest } from './turn.ts';
import type { TurnFeature } from './turn-feature.ts';

/** Notes everything that a request says about reasoning as dropped, each wish under the client's own name. */
export function dropReasoning(reasoning: ReasoningRequest, losses: RequestLosses): void {
  const wishes: readonly (readonly [TurnFeature, unknown])[] = [
    ['reasoning.effort', reasoning.effort],
    ['reasoning.mode', reasoning.mode],
    ['reasoning.budget', reasoning.budgetTokens],
    ['reasoning.summary', reasoning.summary],
  ];
  for (const [feature, wish] of wishes) if (wish !== undefined) losses.drop(feature);
}
