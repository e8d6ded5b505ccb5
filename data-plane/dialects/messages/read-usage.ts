import { countOf, isJsonObject, objectOf, objectsOf, textOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject, JsonValue, TurnUsage } from '#data-plane/dialects/turn.ts';
import { serverToolsOf } from '#shared/token-usage.ts';

const COUNTS = [
  'input_tokens',
  'output_tokens',
  'cache_read_input_tokens',
  'cache_creation_input_tokens',
] as const;
/** Passes of the model that the totals above leave out, although they are paid for. */
const UNCOUNTED_ITERATIONS: ReadonlySet<unknown> = new Set(['compaction', 'advisor_message']);

/**
 * Adds up what the provider says of one answer. The counts are disjoint already: input is without cached tokens, output
 * with thinking. A stream states them twice, cumulative; later statements may leave out what has not changed.
 * `totals` reads what the provider calls the usage of the answer; `every pass` also what it lists beside it and charges
 * for, which only clients of this dialect can ask for.
 */
export class UsageReading {
  readonly #stated: JsonObject = {};
  readonly #scope: 'totals' | 'every pass';

  constructor(scope: 'totals' | 'every pass' = 'every pass') {
    this.#scope = scope;
  }

  /** The usage as known now; `undefined` while it was never stated. */
  add(usage: JsonValue | undefined): TurnUsage | undefined {
    if (isJsonObject(usage)) {
      for (const [name, value] of Object.entries(usage)) {
        if (value !== null && name !== '__proto__') this.#stated[name] = value;
      }
    }
    return this.#read();
  }

  #read(): TurnUsage | undefined {
    const stated = this.#stated;
    if (countOf(stated.output_tokens) === undefined && countOf(stated.input_tokens) === undefined)
      return undefined;
    const listed = this.#scope === 'totals' ? [] : objectsOf(stated.iterations);
    const extra = listed.filter((pass) => UNCOUNTED_ITERATIONS.has(pass.type));
    const passes = [stated, ...extra];
    const [input = 0, output = 0, cacheRead = 0, cacheWrite = 0] = COUNTS.map((name) =>
      passes.reduce((sum, pass) => sum + (countOf(pass[name]) ?? 0), 0),
    );
    const written1h = passes.reduce((sum, pass) => sum + hourly(pass), 0);
    const cacheWrite1h = Math.min(written1h, Math.max(cacheWrite, 0));
    const tier = textOf(stated.service_tier);
    return {
      input,
      output,
      reasoning: Math.min(countOf(objectOf(stated.output_tokens_details)?.thinking_tokens) ?? 0, output),
      cacheRead,
      cacheWrite5m: cacheWrite - cacheWrite1h,
      cacheWrite1h,
      source: 'upstream',
      ...(tier === undefined ? {} : { serviceTier: tier }),
      ...serverTools(stated),
    };
  }
}

function serverTools(stated: JsonObject) {
  const calls = objectOf(stated.server_tool_use);
  return serverToolsOf({
    web_search: countOf(calls?.web_search_requests),
    web_fetch: countOf(calls?.web_fetch_requests),
    code_execution: countOf(calls?.code_execution_requests),
  });
}

function hourly(pass: JsonObject): number {
  return countOf(objectOf(pass.cache_creation)?.ephemeral_1h_input_tokens) ?? 0;
}
