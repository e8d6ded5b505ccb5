import { standInFunction } from '#data-plane/dialects/custom-tool.ts';
import { MCP_SERVER } from '#data-plane/dialects/messages/decode-tools.ts';
import { type ContentWriting, encodeCacheMark } from '#data-plane/dialects/messages/encode-content.ts';
import { enforceableSchema } from '#data-plane/dialects/messages/output-schema.ts';
import type { FunctionTool, JsonObject, Part, Tool, TurnRequest } from '#data-plane/dialects/turn.ts';
import { serverToolFeature } from '#data-plane/dialects/turn-feature.ts';

/** The provider's limits on schemas that it enforces, per request. */
const MOST_STRICT_TOOLS = 20;
const MOST_OPTIONAL_PROPERTIES = 24;
const MOST_UNIONS = 16;
const MCP_BETA = 'mcp-client-2025-04-04';
const MCP_TOOLSET_BETA = 'mcp-client-2025-11-20';

export interface EncodedTools {
  readonly tools?: JsonObject[];
  readonly mcp_servers?: JsonObject[];
  readonly tool_choice?: JsonObject;
}

export function encodeTools(
  turn: TurnRequest,
  enforcesSchemas: boolean,
  writing: ContentWriting,
): EncodedTools {
  const strictness = new Strictness(enforcesSchemas);
  const tools = turn.tools.flatMap((tool, index) => {
    const block = encodeTool(tool, tool.at ?? `tools[${index}]`, strictness, writing);
    return block === undefined ? [] : [block];
  });
  const servers = turn.tools.flatMap((tool) =>
    isMcpServer(tool) && tool.kind === 'server' ? [tool.value] : [],
  );
  if (servers.length > 0) {
    const isNewer = tools.some((tool) => tool.type === 'mcp_toolset');
    writing.betas.add(isNewer ? MCP_TOOLSET_BETA : MCP_BETA);
  }
  const mcp = servers.length === 0 ? {} : { mcp_servers: servers };
  if (tools.length > 0) return { tools, ...mcp, ...encodeToolChoice(turn, tools, writing) };
  if (turn.toolChoice !== undefined && turn.toolChoice.kind !== 'none')
    writing.losses.drop(`tool_choice.${turn.toolChoice.kind}`);
  if (turn.parallelToolCalls !== undefined) writing.losses.drop('parallel_tool_calls');
  return { ...toolsOfHistory(turn), ...mcp };
}

function isMcpServer(tool: Tool): boolean {
  return tool.kind === 'server' && tool.family === 'messages' && tool.type === MCP_SERVER;
}

function encodeTool(
  tool: Tool,
  path: string,
  strictness: Strictness,
  writing: ContentWriting,
): JsonObject | undefined {
  if ('namespace' in tool && tool.namespace?.description !== undefined)
    writing.losses.admitsField('tools.namespace.description', tool.namespace.at ?? 'tools');
  switch (tool.kind) {
    case 'function':
      return encodeFunction(tool, path, strictness, writing);
    case 'custom':
      return encodeCustom(tool);
    case 'server':
      if (isMcpServer(tool)) return undefined;
      if (tool.family === 'messages') return tool.value;
      writing.losses.admits(serverToolFeature(tool.type), path);
      return undefined;
  }
}

function encodeFunction(
  tool: FunctionTool,
  path: string,
  strictness: Strictness,
  writing: ContentWriting,
): JsonObject {
  const strictSchema = tool.strict ? strictness.admit(tool.parameters) : undefined;
  if (tool.strict && strictSchema === undefined) writing.losses.drop('tools.function.strict', path);
  return {
    name: tool.name,
    ...(tool.description === undefined ? {} : { description: tool.description }),
    input_schema: strictSchema ?? objectSchema(tool.parameters),
    ...(strictSchema === undefined ? {} : { strict: true }),
    ...encodeCacheMark(tool.cache),
  };
}

function encodeCustom(tool: Extract<Tool, { kind: 'custom' }>): JsonObject {
  const { name, description, parameters } = standInFunction(tool);
  return { name, ...(description === '' ? {} : { description }), input_schema: parameters };
}

const TOP_LEVEL_UNIONS: readonly string[] = ['anyOf', 'oneOf', 'allOf'];

/** A tool's schema must be an object's, without unions at its top: those are told in its description. */
function objectSchema(parameters: JsonObject | undefined): JsonObject {
  if (parameters === undefined) return { type: 'object', properties: {} };
  const unions = TOP_LEVEL_UNIONS.filter((keyword) => parameters[keyword] !== undefined);
  if (unions.length === 0)
    return parameters.type === 'object' ? parameters : { ...parameters, type: 'object' };
  const schema: JsonObject = { ...parameters, type: 'object' };
  const told: JsonObject = {};
  for (const keyword of unions) {
    told[keyword] = parameters[keyword] ?? null;
    delete schema[keyword];
  }
  const words = typeof parameters.description === 'string' ? [parameters.description] : [];
  return { ...schema, description: [...words, JSON.stringify(told)].join('\n\n') };
}

/** Counts what strict tools take of the provider's limits. */
class Strictness {
  readonly #enforces: boolean;
  #tools = 0;
  #optionalProperties = 0;
  #unions = 0;

  constructor(enforces: boolean) {
    this.#enforces = enforces;
  }

  /** The schema as it can be enforced, `undefined` when it cannot or the limits are reached. */
  admit(parameters: JsonObject | undefined): JsonObject | undefined {
    const closed = parameters ?? { type: 'object', properties: {}, additionalProperties: false };
    const enforceable = this.#enforces ? enforceableSchema(closed) : undefined;
    if (enforceable === undefined || enforceable.schema.type !== 'object') return undefined;
    const optionalProperties = this.#optionalProperties + enforceable.optionalProperties;
    const unions = this.#unions + enforceable.unions;
    const fits =
      this.#tools < MOST_STRICT_TOOLS &&
      optionalProperties <= MOST_OPTIONAL_PROPERTIES &&
      unions <= MOST_UNIONS;
    if (!fits) return undefined;
    this.#tools += 1;
    this.#optionalProperties = optionalProperties;
    this.#unions = unions;
    return enforceable.schema;
  }
}

function encodeToolChoice(
  turn: TurnRequest,
  tools: readonly JsonObject[],
  writing: ContentWriting,
): { tool_choice?: JsonObject } {
  const single = turn.parallelToolCalls === false ? { disable_parallel_tool_use: true } : {};
  const choice = turn.toolChoice ?? { kind: 'auto' };
  switch (choice.kind) {
    case 'none':
      return { tool_choice: { type: 'none' } };
    case 'required':
      return { tool_choice: { type: 'any', ...single } };
    case 'tool':
      if (tools.some((tool) => tool.name === choice.name))
        return { tool_choice: { type: 'tool', name: choice.name, ...single } };
      writing.losses.drop('tool_choice.tool');
      return {};
    case 'auto':
      return turn.toolChoice === undefined && turn.parallelToolCalls !== false
        ? {}
        : { tool_choice: { type: 'auto', ...single } };
  }
}

/**
 * A history with calls wants their tools defined, although this request offers none: they are named and ruled out.
 */
function toolsOfHistory(turn: TurnRequest): EncodedTools {
  const calls = turn.messages
    .flatMap((message): readonly Part[] => message.parts)
    .flatMap((part) => (part.kind === 'tool_call' ? [part.name] : []));
  if (calls.length === 0) return {};
  const tools = [...new Set(calls)].map((name) => ({ name, input_schema: { type: 'object' } }));
  return { tools, tool_choice: { type: 'none' } };
}
