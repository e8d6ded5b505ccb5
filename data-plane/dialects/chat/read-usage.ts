import { serverToolsOf, type TokenUsage } from '#shared/token-usage.ts';

/**
 * Makes the token counts of an OpenAI-style `usage` object disjoint, the one place where that happens for chat providers.
 * The prompt count includes cached and newly cached tokens everywhere in this family. Two providers leave a class out of
 * the counts and show it only in the total: xAI its reasoning tokens, Mistral its audio input.
 * Returns `undefined` when the counts are missing or make no sense: unknown is not zero.
 */
export function readChatUsage(usage: unknown): TokenUsage | undefined {
  if (!isRecord(usage)) return undefined;
  const prompt = count(usage.prompt_tokens);
  const completion = count(usage.completion_tokens);
  if (prompt === undefined || completion === undefined) return undefined;
  const promptDetails = isRecord(usage.prompt_tokens_details) ? usage.prompt_tokens_details : {};
  const outputDetails = isRecord(usage.completion_tokens_details) ? usage.completion_tokens_details : {};
  const reasoning = count(outputDetails.reasoning_tokens) ?? 0;
  const audio = count(promptDetails.audio_tokens) ?? 0;
  const cached =
    count(promptDetails.cached_tokens) ??
    count(usage.prompt_cache_hit_tokens) ??
    count(usage.cached_tokens) ??
    0;
  const cacheRead = Math.min(cached, prompt);
  const cacheWrite5m = Math.min(count(promptDetails.cache_write_tokens) ?? 0, prompt - cacheRead);

  const uncounted = (count(usage.total_tokens) ?? 0) - prompt - completion;
  const leftOutReasoning = uncounted > 0 && uncounted === reasoning ? reasoning : 0;
  const leftOutAudio = leftOutReasoning === 0 && uncounted > 0 && uncounted === audio ? audio : 0;
  const output = completion + leftOutReasoning;
  const tokens: TokenUsage = {
    input: prompt - cacheRead - cacheWrite5m + leftOutAudio,
    output,
    reasoning: Math.min(reasoning, output),
    cacheRead,
    cacheWrite5m,
    cacheWrite1h: 0,
    source: 'upstream',
  };
  const serviceTier = typeof usage.service_tier === 'string' ? usage.service_tier : undefined;
  if (serviceTier === undefined && !mentionsSearches(usage)) return tokens;
  return { ...tokens, ...(serviceTier !== undefined && { serviceTier }), ...searches(usage) };
}

/** Most answers come without a search, and then with none of these. */
function mentionsSearches(usage: Record<string, unknown>): boolean {
  return (
    usage.server_tool_use !== undefined ||
    usage.server_side_tool_usage_details !== undefined ||
    usage.num_search_queries !== undefined ||
    usage.num_sources_used !== undefined
  );
}

/** Each provider that searches counts it under a name of its own: OpenRouter, Perplexity, xAI. */
function searches(usage: Record<string, unknown>) {
  const toolUse = isRecord(usage.server_tool_use) ? usage.server_tool_use : {};
  const details = isRecord(usage.server_side_tool_usage_details) ? usage.server_side_tool_usage_details : {};
  return serverToolsOf({
    web_search:
      count(toolUse.web_search_requests) ??
      count(details.web_search_calls) ??
      count(usage.num_search_queries) ??
      count(usage.num_sources_used),
    code_execution: count(details.code_interpreter_calls),
    file_search: count(details.file_search_calls),
  });
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
