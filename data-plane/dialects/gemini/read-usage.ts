import { countOf, filledText, objectOf } from '#data-plane/dialects/json-access.ts';
import type { JsonValue, TurnUsage } from '#data-plane/dialects/turn.ts';
import { NO_TOKENS, serverToolsOf } from '#shared/token-usage.ts';

/**
 * Makes Gemini's counts disjoint: cached tokens are inside the prompt count, thoughts outside the candidates', and what a
 * server tool read is a prompt of its own. `undefined` when there are no counts yet: unknown is not zero.
 */
export function readGeminiUsage(value: JsonValue | undefined, searches = 0): TurnUsage | undefined {
  const stated = objectOf(value);
  const prompt = countOf(stated?.promptTokenCount);
  if (stated === undefined || prompt === undefined) return undefined;
  const cacheRead = Math.min(countOf(stated.cachedContentTokenCount) ?? 0, prompt);
  const reasoning = countOf(stated.thoughtsTokenCount) ?? 0;
  const serviceTier = filledText(stated.serviceTier);
  return {
    ...NO_TOKENS,
    input: prompt - cacheRead + (countOf(stated.toolUsePromptTokenCount) ?? 0),
    output: (countOf(stated.candidatesTokenCount) ?? 0) + reasoning,
    reasoning,
    cacheRead,
    ...(serviceTier === undefined ? {} : { serviceTier }),
    ...serverToolsOf({ web_search: searches }),
  };
}
