import { standInFunction } from '#data-plane/dialects/custom-tool.ts';
import type { RequestLosses } from '#data-plane/dialects/loss-rule.ts';
import type { JsonObject, JsonValue, Tool, ToolChoice, TurnRequest } from '#data-plane/dialects/turn.ts';
import { serverToolFeature } from '#data-plane/dialects/turn-feature.ts';
import type { ProviderTraits } from './provider-traits.ts';

export interface ToolFields {
  readonly fields: JsonObject;
  /** What the system prompt has to say in place of a forced choice. */
  readonly instruction?: string;
}

/** Writes the tools and the choice among them. */
export function toolFields(turn: TurnRequest, traits: ProviderTraits, losses: RequestLosses): ToolFields {
  const tools: JsonValue[] = [];
  turn.tools.forEach((tool, index) => {
    const encoded = encodeTool(tool, tool.at ?? `tools[${index}]`, losses);
    if (encoded !== undefined) tools.push(encoded);
  });
  if (tools.length === 0) return withoutTools(turn, losses);
  const choice = choiceFields(possibleChoice(turn, losses), traits, losses);
  if (choice.withoutTools) return { fields: {} };
  const fields: JsonObject = { tools, ...choice.fields };
  if (turn.parallelToolCalls !== undefined && losses.admits('parallel_tool_calls')) {
    fields.parallel_tool_calls = turn.parallelToolCalls;
  }
  return choice.instruction === undefined ? { fields } : { fields, instruction: choice.instruction };
}

/** Without tools there is nothing to choose among. */
function withoutTools(turn: TurnRequest, losses: RequestLosses): ToolFields {
  const { toolChoice } = turn;
  if (toolChoice !== undefined) losses.drop(`tool_choice.${toolChoice.kind}`);
  if (turn.parallelToolCalls !== undefined) losses.drop('parallel_tool_calls');
  return { fields: {} };
}

function encodeTool(tool: Tool, at: string, losses: RequestLosses): JsonObject | undefined {
  if ('namespace' in tool && tool.namespace?.description !== undefined)
    losses.admitsField('tools.namespace.description', tool.namespace.at ?? 'tools');
  switch (tool.kind) {
    case 'function': {
      const declared: JsonObject = { name: tool.name };
      if (tool.description !== undefined) declared.description = tool.description;
      if (tool.parameters !== undefined) declared.parameters = tool.parameters;
      if (tool.strict !== undefined && losses.admits('tools.function.strict', at))
        declared.strict = tool.strict;
      if (tool.cache !== undefined) losses.dropMark(tool.cache);
      return { type: 'function', function: declared };
    }
    case 'custom':
      return encodeCustomTool(tool, losses);
    case 'server':
      losses.admits(serverToolFeature(tool.type), at);
      return undefined;
  }
}

function encodeCustomTool(tool: Tool & { kind: 'custom' }, losses: RequestLosses): JsonObject {
  if (losses.outcomeOf('tools.custom') === 'carried') {
    const description = tool.description === undefined ? {} : { description: tool.description };
    const format = tool.format === undefined ? {} : { format: chatFormat(tool.format) };
    return { type: 'custom', custom: { name: tool.name, ...description, ...format } };
  }
  const { name, description, parameters } = standInFunction(tool);
  return { type: 'function', function: { name, ...(description === '' ? {} : { description }), parameters } };
}

/** Responses writes a grammar flat, chat nests it. */
function chatFormat(format: JsonObject): JsonObject {
  const { type, ...grammar } = format;
  return type === 'grammar' && !('grammar' in grammar) ? { type, grammar } : format;
}

/** A choice that names a tool which was left out would only be refused. */
function possibleChoice(turn: TurnRequest, losses: RequestLosses): ToolChoice | undefined {
  const choice = turn.toolChoice;
  if (choice?.kind !== 'tool') return choice;
  if (turn.tools.some((tool) => tool.kind !== 'server' && tool.name === choice.name)) return choice;
  losses.drop('tool_choice.tool');
  return undefined;
}

interface ChoiceFields extends ToolFields {
  readonly withoutTools?: boolean;
}

function choiceFields(
  choice: ToolChoice | undefined,
  traits: ProviderTraits,
  losses: RequestLosses,
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

function choiceValue(choice: ToolChoice, traits: ProviderTraits, losses: RequestLosses): JsonValue {
  if (choice.kind === 'required') return traits.requiredToolChoice;
  if (choice.kind !== 'tool') return choice.kind;
  const isCustom = choice.custom === true && losses.outcomeOf('tools.custom') === 'carried';
  return isCustom
    ? { type: 'custom', custom: { name: choice.name } }
    : { type: 'function', function: { name: choice.name } };
}
