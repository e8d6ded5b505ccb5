import type { JsonObject, Tool } from './turn.ts';

type CustomTool = Extract<Tool, { kind: 'custom' }>;

/** A function that stands in for a free-text tool where there are none. */
export interface StandInFunction {
  readonly name: string;
  readonly description: string;
  readonly parameters: JsonObject;
}

/** One string parameter `input` is the free text; a grammar for it is told in the description. */
export function standInFunction(tool: CustomTool): StandInFunction {
  const words = [tool.description ?? '', grammarWords(tool.format)];
  return {
    name: tool.name,
    description: words.filter((text) => text !== '').join('\n\n'),
    parameters: {
      type: 'object',
      properties: { input: { type: 'string' } },
      required: ['input'],
      additionalProperties: false,
    },
  };
}

/** Responses writes a grammar flat, chat nests it. */
function grammarWords(format: JsonObject | undefined): string {
  if (format?.type !== 'grammar') return '';
  const nested = format.grammar;
  const grammar = typeof nested === 'object' && nested !== null && !Array.isArray(nested) ? nested : format;
  const syntax = typeof grammar.syntax === 'string' ? `${grammar.syntax} ` : '';
  return `\`input\` must match this ${syntax}grammar:\n${String(grammar.definition ?? '')}`;
}
