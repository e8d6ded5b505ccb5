import { decodeCacheMark } from '#data-plane/dialects/messages/decode-content.ts';
import type { RequestReading } from '#data-plane/dialects/messages/request-reading.ts';
import type { FunctionTool, JsonObject, JsonValue, Tool, ToolChoice } from '#data-plane/dialects/turn.ts';

/** Tools of a request, and the MCP servers that the provider is to call: for the turn those are tools too. */
export function decodeTools(reading: RequestReading, body: JsonObject): Tool[] {
  const tools = reading.list(body, 'tools', '').flatMap((value, index) => {
    const tool = reading.asObject(value, `tools[${index}]`);
    return tool === undefined ? [] : [decodeTool(reading, tool, `tools[${index}]`)];
  });
  const servers = reading.list(body, 'mcp_servers', '').flatMap((value, index): Tool[] => {
    const server = reading.asObject(value, `mcp_servers[${index}]`);
    return server === undefined
      ? []
      : [
          {
            kind: 'server',
            family: 'messages',
            type: MCP_SERVER,
            value: server,
            at: `mcp_servers[${index}]`,
          },
        ];
  });
  return [...tools, ...servers];
}

/** The type under which an MCP server of the request stands among the turn's tools. */
export const MCP_SERVER = 'mcp_server';

function decodeTool(reading: RequestReading, tool: JsonObject, path: string): Tool {
  const type = reading.text(tool, 'type', path) ?? 'custom';
  if (type !== 'custom') return { kind: 'server', family: 'messages', type, value: tool, at: path };
  const name = reading.requiredText(tool, 'name', path);
  const description = reading.text(tool, 'description', path);
  const parameters = reading.object(tool, 'input_schema', path);
  const strict = reading.flag(tool, 'strict', path);
  const cache = decodeCacheMark(reading, tool, path);
  return {
    kind: 'function',
    name,
    at: path,
    ...(description === undefined ? {} : { description }),
    ...(parameters === undefined ? {} : { parameters }),
    ...(strict === undefined ? {} : { strict }),
    ...(cache === undefined ? {} : { cache }),
  } satisfies FunctionTool;
}

const CHOICE_KINDS: Readonly<Record<string, 'auto' | 'none' | 'required'>> = {
  auto: 'auto',
  any: 'required',
  none: 'none',
};

export function decodeToolChoice(
  reading: RequestReading,
  body: JsonObject,
): { readonly toolChoice?: ToolChoice; readonly parallelToolCalls?: boolean } {
  const choice = reading.object(body, 'tool_choice', '');
  if (choice === undefined) return {};
  const single = reading.flag(choice, 'disable_parallel_tool_use', 'tool_choice');
  const parallel = single === undefined ? {} : { parallelToolCalls: !single };
  if (choice.type === 'tool') {
    const name = reading.requiredText(choice, 'name', 'tool_choice');
    return { toolChoice: { kind: 'tool', name }, ...parallel };
  }
  const kind = choiceKind(choice.type);
  if (kind !== undefined) return { toolChoice: { kind }, ...parallel };
  reading.invalid('tool_choice.type', "must be 'auto', 'any', 'tool' or 'none'.");
  return {};
}

function choiceKind(type: JsonValue | undefined): 'auto' | 'none' | 'required' | undefined {
  return typeof type === 'string' && Object.hasOwn(CHOICE_KINDS, type) ? CHOICE_KINDS[type] : undefined;
}
