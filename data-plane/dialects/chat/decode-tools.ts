import { filledText, isJsonObject, objectOf, objectsOf, textOf } from '#data-plane/dialects/json-access.ts';
import type {
  CacheMark,
  FunctionTool,
  JsonObject,
  JsonValue,
  Tool,
  ToolChoice,
} from '#data-plane/dialects/turn.ts';
import { cacheMarkOf } from './cache-mark.ts';
import type { RequestFields } from './request-fields.ts';

type CustomTool = Extract<Tool, { kind: 'custom' }>;
type OwnTool = FunctionTool | CustomTool;

/** The tools on offer and the choice among them; a choice among some of the tools leaves out the others. */
export function decodeTools(fields: RequestFields): {
  readonly tools: readonly OwnTool[];
  readonly toolChoice: ToolChoice | undefined;
} {
  const tools = readTools(fields);
  const choice = fields.value('tool_choice');
  if (!isJsonObject(choice) || choice.type !== 'allowed_tools')
    return { tools, toolChoice: readChoice(fields) };
  const { mode, tools: allowed } = objectOf(choice.allowed_tools) ?? {};
  const names = new Set(objectsOf(allowed).map(nameIn));
  return {
    tools: tools.filter(({ name }) => names.has(name)),
    toolChoice: { kind: mode === 'required' ? 'required' : 'auto' },
  };
}

function readTools(fields: RequestFields): OwnTool[] {
  const declared = fields.list('tools') ?? [];
  const tools = declared.map((tool, index) => readTool(fields, tool, `tools[${index}]`));
  const legacy = fields.list('functions') ?? [];
  const functions = legacy.map((tool, index) =>
    readFunction(fields, tool, `functions[${index}]`, undefined, `functions[${index}]`),
  );
  return [...tools, ...functions].filter((tool) => tool !== undefined);
}

function readTool(fields: RequestFields, tool: JsonValue, path: string): OwnTool | undefined {
  if (!isJsonObject(tool)) return fields.fail(path, 'must be an object.');
  switch (tool.type) {
    case 'function':
      return readFunction(fields, tool.function, `${path}.function`, cacheMarkOf(tool, path), path);
    case 'custom':
      return readCustom(fields, objectOf(tool.custom) ?? {}, path);
    default:
      return fields.fail(`${path}.type`, "must be 'function' or 'custom'.");
  }
}

function readCustom(fields: RequestFields, declared: JsonObject, path: string): CustomTool | undefined {
  const name = filledText(declared.name);
  if (name === undefined) return fields.fail(`${path}.custom.name`, 'is required.');
  const description = textOf(declared.description);
  const format = objectOf(declared.format);
  return {
    kind: 'custom',
    name,
    at: path,
    ...(description === undefined ? {} : { description }),
    ...(format === undefined ? {} : { format: flatFormat(format) }),
  };
}

/** This dialect nests a grammar, the turn has it flat. */
function flatFormat(format: JsonObject): JsonObject {
  const grammar = objectOf(format.grammar);
  return grammar === undefined ? format : { type: 'grammar', ...grammar };
}

function readFunction(
  fields: RequestFields,
  value: JsonValue | undefined,
  path: string,
  cache: CacheMark | undefined,
  at: string,
): FunctionTool | undefined {
  const declared = objectOf(value);
  const name = filledText(declared?.name);
  if (declared === undefined || name === undefined) return fields.fail(`${path}.name`, 'is required.');
  const { description, parameters, strict } = declared;
  if (!isAbsent(parameters) && !isJsonObject(parameters))
    return fields.fail(`${path}.parameters`, 'must be an object.');
  if (!isAbsent(strict) && typeof strict !== 'boolean')
    return fields.fail(`${path}.strict`, 'must be a boolean.');
  return {
    kind: 'function',
    name,
    at,
    ...(typeof description === 'string' ? { description } : {}),
    ...(isJsonObject(parameters) ? { parameters } : {}),
    ...(typeof strict === 'boolean' ? { strict } : {}),
    ...(cache === undefined ? {} : { cache }),
  };
}

function isAbsent(value: JsonValue | undefined): boolean {
  return value === undefined || value === null;
}

function readChoice(fields: RequestFields): ToolChoice | undefined {
  const choice = fields.value('tool_choice') ?? fields.value('function_call');
  if (choice === undefined) return undefined;
  if (choice === 'auto' || choice === 'none' || choice === 'required') return { kind: choice };
  const named = objectOf(choice);
  const name = named === undefined ? undefined : nameIn(named);
  if (name !== undefined)
    return { kind: 'tool', name, ...(named?.type === 'custom' ? { custom: true } : {}) };
  return fields.fail('tool_choice', "must be 'auto', 'none', 'required' or an object naming a tool.");
}

function nameIn(named: JsonObject): string | undefined {
  const holder = objectOf(named.function) ?? objectOf(named.custom);
  return filledText(holder?.name) ?? filledText(named.name);
}
