import { isJsonObject, textOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject, JsonValue, Tool, ToolChoice, ToolNamespace } from '#data-plane/dialects/turn.ts';
import type { RequestFields } from './request-fields.ts';
import { qualifiedName } from './tool-names.ts';

export interface DecodedTools {
  readonly tools: readonly Tool[];
  readonly toolChoice: ToolChoice | undefined;
}

/**
 * Reads `tools` and `tool_choice`. Tools in a namespace get one qualified name each; a choice among some of the tools is
 * said by leaving out the others.
 */
export function decodeTools(body: JsonObject, fields: RequestFields): DecodedTools {
  const tools: Tool[] = [];
  fields.list(body.tools, 'tools').forEach((value, position) => {
    const path = `tools[${position}]`;
    if (!isJsonObject(value)) fields.refuse('unsupported_parameter', path, `'${path}' must be an object.`);
    else if (value.type === 'namespace') decodeNamespace(value, path, fields, tools);
    else decodeTool(value, path, undefined, fields, tools);
  });
  return decodeChoice(body.tool_choice, tools, fields);
}

function decodeNamespace(value: JsonObject, path: string, fields: RequestFields, tools: Tool[]): void {
  const name = fields.requiredText(value.name, `${path}.name`);
  const description = fields.text(value.description, `${path}.description`);
  fields.list(value.tools, `${path}.tools`).forEach((inner, position) => {
    const innerPath = `${path}.tools[${position}]`;
    if (!isJsonObject(inner) || (inner.type !== 'function' && inner.type !== 'custom'))
      fields.refuse('unsupported_parameter', innerPath, `'${innerPath}' must be a function or custom tool.`);
    else
      decodeTool(
        inner,
        innerPath,
        { name, ...(description === undefined ? {} : { description, at: `${path}.description` }) },
        fields,
        tools,
      );
  });
}

function decodeTool(
  value: JsonObject,
  path: string,
  group: Omit<ToolNamespace, 'toolName'> | undefined,
  fields: RequestFields,
  tools: Tool[],
): void {
  const type = fields.requiredText(value.type, `${path}.type`);
  if (type !== 'function' && type !== 'custom') {
    tools.push({ kind: 'server', family: 'responses', type, value, at: path });
    return;
  }
  // Some clients nest the function as chat does.
  const nested = type === 'function' && textOf(value.name) === undefined ? value.function : undefined;
  const declared = isJsonObject(nested) ? nested : value;
  const toolName = fields.requiredText(declared.name, `${path}.name`);
  if (toolName === '')
    fields.refuse('unsupported_parameter', `${path}.name`, `'${path}.name' must not be empty.`);
  const description = fields.text(declared.description, `${path}.description`);
  const shared = {
    at: path,
    name: qualifiedName(group?.name, toolName),
    ...(group === undefined ? {} : { namespace: { ...group, toolName } }),
    ...(description === undefined ? {} : { description }),
  };
  if (type === 'custom') {
    const format = fields.object(declared.format, `${path}.format`);
    tools.push({ kind: 'custom', ...shared, ...(format === undefined ? {} : { format }) });
    return;
  }
  const parameters = fields.object(declared.parameters, `${path}.parameters`);
  const strict = fields.flag(declared.strict, `${path}.strict`);
  tools.push({
    kind: 'function',
    ...shared,
    ...(parameters === undefined ? {} : { parameters }),
    ...(strict === undefined ? {} : { strict }),
  });
}

function decodeChoice(
  value: JsonValue | undefined,
  tools: readonly Tool[],
  fields: RequestFields,
): DecodedTools {
  const plain = (toolChoice?: ToolChoice): DecodedTools => ({ tools, toolChoice });
  if (value === undefined || value === null) return plain();
  if (typeof value === 'string') return plain(decodeMode(value, fields));
  const choice = fields.object(value, 'tool_choice');
  if (choice === undefined) return plain();
  switch (choice.type) {
    case 'function':
    case 'custom':
      return plain(decodeNamedChoice(choice, fields));
    case 'allowed_tools':
      return {
        tools: allowedTools(choice, tools, fields),
        toolChoice: decodeMode(fields.text(choice.mode, 'tool_choice.mode') ?? 'auto', fields),
      };
    default:
      fields.requiredText(choice.type, 'tool_choice.type');
      return plain();
  }
}

function decodeMode(mode: string, fields: RequestFields): ToolChoice | undefined {
  if (mode === 'auto' || mode === 'none' || mode === 'required') return { kind: mode };
  return fields.refuse(
    'unsupported_parameter',
    'tool_choice',
    "'tool_choice' must be 'auto', 'none', 'required' or name a tool.",
  );
}

function decodeNamedChoice(choice: JsonObject, fields: RequestFields): ToolChoice {
  const nested = isJsonObject(choice.function) ? choice.function.name : undefined;
  const name = fields.requiredText(choice.name ?? nested, 'tool_choice.name');
  const namespace = textOf(choice.namespace);
  return {
    kind: 'tool',
    name: qualifiedName(namespace, name),
    ...(choice.type === 'custom' ? { custom: true } : {}),
  };
}

function allowedTools(choice: JsonObject, tools: readonly Tool[], fields: RequestFields): readonly Tool[] {
  const allowed = fields.list(choice.tools, 'tool_choice.tools').filter(isJsonObject);
  return tools.filter((tool) =>
    allowed.some((entry) => {
      if (tool.kind !== 'server') return entry.type === tool.kind && namesTool(entry, tool);
      return entry.type === tool.type && (entry.server_label ?? null) === (tool.value.server_label ?? null);
    }),
  );
}

function namesTool(entry: JsonObject, tool: Exclude<Tool, { kind: 'server' }>): boolean {
  const name = textOf(entry.name);
  return name !== undefined && qualifiedName(textOf(entry.namespace), name) === tool.name;
}
