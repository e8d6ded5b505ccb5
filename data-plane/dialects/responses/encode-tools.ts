import { isJsonObject, listOf, objectOf } from '#data-plane/dialects/json-access.ts';
import type { RequestLosses } from '#data-plane/dialects/loss-rule.ts';
import type { JsonObject, JsonValue, Tool, ToolChoice, TurnRequest } from '#data-plane/dialects/turn.ts';
import { serverToolFeature } from '#data-plane/dialects/turn-feature.ts';

type OwnTool = Exclude<Tool, { kind: 'server' }>;

/** What of a foreign web search has a place in the protocol's own. */
const SEARCH_FIELDS: ReadonlySet<string> = new Set(['type', 'name', 'allowed_domains', 'user_location']);
const SEARCH_OPTIONS: ReadonlySet<string> = new Set(['search_context_size', 'user_location']);
const NO_PARAMETERS: JsonObject = { type: 'object', properties: {} };

/** The fields of a request that say which tools there are and how to choose among them. */
export function encodeTools(turn: TurnRequest, losses: RequestLosses): JsonObject {
  const tools = encodeToolList(turn.tools, losses);
  const search = encodeSearchOptions(turn.extras.web_search_options, losses);
  if (search !== undefined) tools.push(search);
  if (tools.length === 0) {
    if (turn.toolChoice !== undefined) losses.drop(`tool_choice.${turn.toolChoice.kind}`);
    if (turn.parallelToolCalls !== undefined) losses.drop('parallel_tool_calls');
    return {};
  }
  const fields: JsonObject = { tools };
  if (turn.toolChoice !== undefined) fields.tool_choice = encodeChoice(turn.toolChoice, turn.tools);
  if (turn.parallelToolCalls !== undefined) fields.parallel_tool_calls = turn.parallelToolCalls;
  return fields;
}

function encodeToolList(tools: readonly Tool[], losses: RequestLosses): JsonValue[] {
  const encoded: JsonValue[] = [];
  const namespaces = new Map<string, JsonValue[]>();
  tools.forEach((tool, position) => {
    if (tool.kind === 'server') {
      const server = encodeServerTool(tool, tool.at ?? `tools[${position}]`, losses);
      if (server !== undefined) encoded.push(server);
      return;
    }
    if (tool.kind === 'function' && tool.cache !== undefined) losses.dropMark(tool.cache);
    const { namespace } = tool;
    if (namespace === undefined) {
      encoded.push(encodeOwnTool(tool));
      return;
    }
    const members = namespaces.get(namespace.name) ?? [];
    if (members.length === 0) {
      const { name, description = '' } = namespace;
      namespaces.set(name, members);
      encoded.push({ type: 'namespace', name, description, tools: members });
    }
    members.push(encodeOwnTool(tool));
  });
  return encoded;
}

function encodeOwnTool(tool: OwnTool): JsonObject {
  const name = tool.namespace?.toolName ?? tool.name;
  const description = tool.description === undefined ? {} : { description: tool.description };
  if (tool.kind === 'custom')
    return {
      type: 'custom',
      name,
      ...description,
      ...(tool.format === undefined ? {} : { format: tool.format }),
    };
  return {
    type: 'function',
    name,
    ...description,
    parameters: tool.parameters ?? NO_PARAMETERS,
    strict: tool.strict ?? false,
  };
}

function encodeServerTool(
  tool: Extract<Tool, { kind: 'server' }>,
  path: string,
  losses: RequestLosses,
): JsonObject | undefined {
  if (tool.family === 'responses') return tool.value;
  const feature = serverToolFeature(tool.type);
  if (feature === 'tools.server.web_search') {
    const domains = listOf(tool.value.allowed_domains);
    const location = objectOf(tool.value.user_location);
    for (const [name, value] of Object.entries(tool.value))
      if (!SEARCH_FIELDS.has(name) && value !== null && value !== false) losses.dropField(`${path}.${name}`);
    return {
      type: 'web_search',
      ...(domains.length === 0 ? {} : { filters: { allowed_domains: [...domains] } }),
      ...(location === undefined ? {} : { user_location: location }),
    };
  }
  losses.admits(feature, path);
  return undefined;
}

/** Chat's way of asking for a web search. */
function encodeSearchOptions(options: JsonValue | undefined, losses: RequestLosses): JsonObject | undefined {
  if (!isJsonObject(options)) return undefined;
  for (const name of Object.keys(options))
    if (!SEARCH_OPTIONS.has(name)) losses.dropField(`web_search_options.${name}`);
  const size = options.search_context_size;
  const location = objectOf(objectOf(options.user_location)?.approximate);
  return {
    type: 'web_search',
    ...(typeof size === 'string' ? { search_context_size: size } : {}),
    ...(location === undefined ? {} : { user_location: { type: 'approximate', ...location } }),
  };
}

function encodeChoice(choice: ToolChoice, tools: readonly Tool[]): JsonValue {
  if (choice.kind !== 'tool') return choice.kind;
  const chosen = tools.find((tool): tool is OwnTool => tool.kind !== 'server' && tool.name === choice.name);
  const search = tools.find((tool) => tool.kind === 'server' && tool.value.name === choice.name);
  if (chosen === undefined && search !== undefined) return 'required';
  const isCustom = chosen === undefined ? choice.custom === true : chosen.kind === 'custom';
  return { type: isCustom ? 'custom' : 'function', name: chosen?.namespace?.toolName ?? choice.name };
}
