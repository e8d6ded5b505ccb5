import { objectOf, objectsOf, textOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';

/** Log probabilities of a candidate in the shape that the turn has from OpenAI: one entry per token, with alternatives. */
export function logprobsOf(result: JsonValue | undefined): readonly JsonObject[] {
  const shown = objectOf(result);
  const alternatives = objectsOf(shown?.topCandidates);
  return objectsOf(shown?.chosenCandidates).map((chosen, index) => ({
    ...entryOf(chosen),
    top_logprobs: objectsOf(alternatives[index]?.candidates).map(entryOf),
  }));
}

function entryOf(candidate: JsonObject): JsonObject {
  const token = textOf(candidate.token) ?? '';
  const logprob = typeof candidate.logProbability === 'number' ? candidate.logProbability : 0;
  return { token, logprob, bytes: [...Buffer.from(token)] };
}
