/** Tools that a provider runs itself and charges for by the call. */
export const SERVER_TOOLS = [
  'web_search',
  'web_fetch',
  'file_search',
  'code_execution',
  'image_generation',
] as const;
export type ServerTool = (typeof SERVER_TOOLS)[number];

/** Calls by tool; a tool that was not called is absent. */
export type ServerToolCalls = Readonly<Partial<Record<ServerTool, number>>>;

/**
 * Token counts of one request in classes that never overlap: every billable token is counted in exactly one of
 * `input`, `cacheRead`, `cacheWrite5m`, `cacheWrite1h` and `output`. `reasoning` is a part of `output`, kept for display.
 * Providers differ in what they count inside the prompt; the dialect that reads a provider's usage makes it disjoint.
 */
export interface TokenUsage {
  readonly input: number;
  readonly output: number;
  readonly reasoning: number;
  readonly cacheRead: number;
  readonly cacheWrite5m: number;
  readonly cacheWrite1h: number;
  /** `estimated` when the provider sent no counts (an aborted stream, a provider without usage). */
  readonly source: 'upstream' | 'estimated';
  /** The service tier that the provider says it served, in its own words; absent when it says nothing. */
  readonly serviceTier?: string;
  /** What the provider says its own tools did; absent when none was called. */
  readonly serverTools?: ServerToolCalls;
}

export const NO_TOKENS: TokenUsage = {
  input: 0,
  output: 0,
  reasoning: 0,
  cacheRead: 0,
  cacheWrite5m: 0,
  cacheWrite1h: 0,
  source: 'upstream',
};

/** Prompt length in tokens: what price tiers are chosen by (architecture: input + cache read + cache write). */
export function promptTokens(usage: TokenUsage): number {
  return usage.input + usage.cacheRead + usage.cacheWrite5m + usage.cacheWrite1h;
}

/** The member of {@link TokenUsage} for these counts: zero and unknown counts are left out, and so is an empty object. */
export function serverToolsOf(calls: Readonly<Partial<Record<ServerTool, number | undefined>>>): {
  readonly serverTools?: ServerToolCalls;
} {
  const called = SERVER_TOOLS.filter((tool) => (calls[tool] ?? 0) > 0);
  if (called.length === 0) return {};
  return { serverTools: Object.fromEntries(called.map((tool) => [tool, calls[tool]])) };
}
