import type { JsonObject, JsonValue, Tool, ToolChoice, TurnRequest } from '#data-plane/dialects/turn.ts';
import type { ChatLosses } from './loss-rules.ts';
import type { ProviderTraits } from './provider-traits.ts';

export interface ToolFields {
  readonly fields: JsonObject;
  /** What the system prompt has to say in place of a forced choice. */
  readonly instruction?: string;
}

/** Server tools that real agents offer as a matter of course. */
const SEARCH_TOOL = /^(?:web|tool|x)_search/;

/** Writes the tools and the choice among them. */
export function toolFields(turn: TurnRequest, traits: ProviderTraits, losses: ChatLosses): ToolFields {
  const tools: JsonValue[] = [];
  for (const tool of turn.tools) {
    const encoded = encodeTool(tool, losses);
    if (encoded !== undefined) tools.push(encoded);
  }
  if (tools.length === 0) return { fields: {} };
  const choice = choiceFields(possibleChoice(turn, losses), traits, losses);
  if (choice.withoutTools) return { fields: {} };
  const fields: JsonObject = { tools, ...choice.fields };
  if (turn.parallelToolCalls !== undefined && losses.admits('parallel_tool_calls', 'parallel_tool_calls')) {
    fields.parallel_tool_calls = turn.parallelToolCalls;
  }
  return choice.instruction === undefined ? { fields } : { fields, instruction: choice.instruction };
}

function encodeTool(tool: Tool, losses: ChatLosses): JsonObject | undefined {
  switch (tool.kind) {
    case 'function': {
      const declared: JsonObject = { name: tool.name };
      if (tool.description !== undefined) declared.description = tool.description;
      if (tool.parameters !== undefined) declared.parameters = tool.parameters;
      if (tool.strict !== undefined && losses.admits('tools.function.strict', 'tools.strict'))
        declared.strict = tool.strict;
      if (tool.cache !== undefined) losses.admits('cache_control', 'cache_control');
      return { type: 'function', function: declared };
    }
    case 'custom':
      return encodeCustomTool(tool, losses);
    case 'server': {
      const isSearch = SEARCH_TOOL.test(tool.type);
      losses.admits(isSearch ? 'tools.server.search' : 'tools.server', `tools.${tool.type}`);
      return undefined;
    }
  }
}

function encodeCustomTool(tool: Tool & { kind: 'custom' }, losses: ChatLosses): JsonObject {
  const description = tool.description === undefined ? {} : { description: tool.description };
  if (losses.outcomeOf('tools.custom') === 'carried') {
    const format = tool.format === undefined ? {} : { format: chatFormat(tool.format) };
    return { type: 'custom', custom: { name: tool.name, ...description, ...format } };
  }
  const parameters = {
    type: 'object',
    properties: { input: { type: 'string' } },
    required: ['input'],
    additionalProperties: false,
  };
  return { type: 'function', function: { name: tool.name, ...description, parameters } };
}

/** Responses writes a grammar flat, chat nests it. */
function chatFormat(format: JsonObject): JsonObject {
  const { type, ...grammar } = format;
  return type === 'grammar' && !('grammar' in grammar) ? { type, grammar } : format;
}

/** A choice that names a tool which was left out would only be refused. */
function possibleChoice(turn: TurnRequest, losses: ChatLosses): ToolChoice | undefined {
  const choice = turn.toolChoice;
  if (choice?.kind !== 'tool') return choice;
  if (turn.tools.some((tool) => tool.kind !== 'server' && tool.name === choice.name)) return choice;
  losses.drop('tool_choice');
  return undefined;
}

interface ChoiceFields extends ToolFields {
  readonly withoutTools?: boolean;
}

function choiceFields(
  choice: ToolChoice | undefined,
  traits: ProviderTraits,
  losses: ChatLosses,
): ChoiceFields {
  if (choice === undefined) return { fields: {} };
  const outcome = losses.outcomeOf(`tool_choice.${choice.kind}`);
  if (outcome !== 'emulated') return { fields: { tool_choice: choiceValue(choice, traits, losses) } };
  switch (choice.kind) {
    case 'none':
      return { fields: {}, withoutTools: true };
    case 'tool':
      return { fields: {}, instruction: `Answer by calling the tool '${choice.name}'.` };
    default:
      return { fields: {}, instruction: 'Answer by calling one of the tools.' };
  }
}

function choiceValue(choice: ToolChoice, traits: ProviderTraits, losses: ChatLosses): JsonValue {
  if (choice.kind === 'required') return traits.requiredToolChoice;
  if (choice.kind !== 'tool') return choice.kind;
  const isCustom = choice.custom === true && losses.outcomeOf('tools.custom') === 'carried';
  return isCustom
    ? { type: 'custom', custom: { name: choice.name } }
    : { type: 'function', function: { name: choice.name } };
}
