import type { ProviderTarget } from '#data-plane/dialects/codec.ts';
import type { RequestLosses } from '#data-plane/dialects/loss-rule.ts';
import { dropReasoning } from '#data-plane/dialects/reasoning-loss.ts';
import type { JsonObject, ReasoningRequest } from '#data-plane/dialects/turn.ts';
import { EFFORTS } from './wire.ts';

/** Thinking budgets in tokens up to which an effort stands for them; above all of them it is `high`. */
const BUDGET_EFFORTS: readonly (readonly [upToTokens: number, effort: string])[] = [
  [4_096, 'low'],
  [16_384, 'medium'],
];

/** The `reasoning` field; `undefined` leaves it to the model. */
export function encodeReasoning(
  request: ReasoningRequest | undefined,
  target: ProviderTarget,
  losses: RequestLosses,
): JsonObject | undefined {
  if (request === undefined) return undefined;
  const { reasoning, reasoningEfforts } = target.capabilities;
  const wanted = wantedEffort(request);
  const summary = wantedSummary(request);
  if (reasoning === false) {
    if (wanted !== 'none') dropReasoning(request, losses);
    return undefined;
  }
  const effort = wanted === undefined ? undefined : nearestEffort(wanted, reasoningEfforts);
  if (wanted !== undefined && effort === undefined) losses.drop('reasoning.effort');
  if (effort === undefined && summary === undefined) return undefined;
  return { ...(effort === undefined ? {} : { effort }), ...(summary === undefined ? {} : { summary }) };
}

function wantedEffort({ effort, mode, budgetTokens }: ReasoningRequest): string | undefined {
  if (mode === 'disabled') return 'none';
  if (effort !== undefined || budgetTokens === undefined) return effort;
  return BUDGET_EFFORTS.find(([upToTokens]) => budgetTokens <= upToTokens)?.[1] ?? 'high';
}

/** Clients that ask for thinking expect to see thoughts, which this protocol shows only as a summary. */
function wantedSummary({ summary, mode, budgetTokens }: ReasoningRequest): string | undefined {
  if (summary === 'none') return undefined;
  if (summary !== undefined) return summary;
  if (mode === 'disabled') return undefined;
  return mode !== undefined || budgetTokens !== undefined ? 'auto' : undefined;
}

/** The model's own effort that comes nearest; `undefined` when it has no choice of effort. */
function nearestEffort(wanted: string, known: readonly string[] | undefined): string | undefined {
  if (known === undefined || known.includes(wanted)) return wanted;
  const place = EFFORTS.indexOf(wanted);
  const distance = (effort: string): number => Math.abs(EFFORTS.indexOf(effort) - place);
  return [...known].sort((one, other) => distance(one) - distance(other))[0];
}
