import { countOf, isJsonObject, listOf, objectOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import { KnownTexts } from '#data-plane/json/known-texts.ts';
import { type ServerTool, type ServerToolCalls, serverToolsOf } from '#shared/token-usage.ts';

/** Output items that are calls of the provider's own tools. */
const SERVER_TOOL_ITEMS: ReadonlyMap<unknown, ServerTool> = new Map([
  ['web_search_call', 'web_search'],
  ['file_search_call', 'file_search'],
  ['code_interpreter_call', 'code_execution'],
  ['image_generation_call', 'image_generation'],
]);
const ITEM_TYPES = [...SERVER_TOOL_ITEMS.keys()].map(String);
const KNOWN_ITEMS = new KnownTexts(ITEM_TYPES);
const SEARCH = new KnownTexts(['search']);
const UNKNOWN = -1;

/**
 * What the provider's own tools did in a response: its own figure for searches where it states one, else the calls among
 * its output items. Opening a page that a search has found is a web search call too, but no search.
 */
export function readServerTools(response: JsonObject): { readonly serverTools?: ServerToolCalls } {
  const calls: Partial<Record<ServerTool, number>> = {};
  for (const item of listOf(response.output)) {
    const tool = isJsonObject(item) ? serverToolOf(item) : undefined;
    if (tool !== undefined) calls[tool] = (calls[tool] ?? 0) + 1;
  }
  const stated = countOf(objectOf(objectOf(response.tool_usage)?.web_search)?.num_requests);
  if (stated !== undefined && stated > 0) calls.web_search = stated;
  return serverToolsOf(calls);
}

/** The tool that an output item is a charged call of. */
function serverToolOf(item: JsonObject): ServerTool | undefined {
  const tool = SERVER_TOOL_ITEMS.get(item.type);
  if (tool !== 'web_search') return tool;
  const action = objectOf(item.action)?.type;
  return action === undefined || action === 'search' ? tool : undefined;
}

/**
 * The same for an answer whose bytes pass: fed with the members of output items as a scan meets them. Items are told of
 * twice in a stream, one by one and in the whole response at its end.
 */
export class ServerToolTally {
  readonly #done: Partial<Record<ServerTool, number>> = {};
  #inOutput: Partial<Record<ServerTool, number>> = {};
  #statedSearches = 0;
  #itemType = UNKNOWN;
  #isCharged = true;

  /** A new event or body begins. */
  begin(): void {
    this.#inOutput = {};
    this.#forgetItem();
  }

  readItemType(bytes: Buffer, start: number, end: number): void {
    this.#itemType = KNOWN_ITEMS.find(bytes, start, end);
  }

  readAction(bytes: Buffer, start: number, end: number): void {
    this.#isCharged = SEARCH.find(bytes, start, end) !== UNKNOWN;
  }

  readSearches(bytes: Buffer, start: number, end: number): void {
    this.#statedSearches = Number(bytes.toString('latin1', start, end));
  }

  /** The item read last stands in the `output` of a whole response. */
  addToOutput(): void {
    this.#add(this.#inOutput);
  }

  /** The item read last is done, by an event of its own. */
  addDone(): void {
    this.#add(this.#done);
  }

  get calls(): { readonly serverTools?: ServerToolCalls } {
    const calls: Partial<Record<ServerTool, number>> = {};
    for (const tool of SERVER_TOOL_ITEMS.values())
      calls[tool] = Math.max(this.#done[tool] ?? 0, this.#inOutput[tool] ?? 0);
    if (Number.isSafeInteger(this.#statedSearches) && this.#statedSearches > 0)
      calls.web_search = this.#statedSearches;
    return serverToolsOf(calls);
  }

  #add(counts: Partial<Record<ServerTool, number>>): void {
    const tool = SERVER_TOOL_ITEMS.get(ITEM_TYPES[this.#itemType]);
    if (tool !== undefined && (tool !== 'web_search' || this.#isCharged))
      counts[tool] = (counts[tool] ?? 0) + 1;
    this.#forgetItem();
  }

  #forgetItem(): void {
    this.#itemType = UNKNOWN;
    this.#isCharged = true;
  }
}
