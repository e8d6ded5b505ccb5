import { randomBytes } from 'node:crypto';
import { tokenize } from './tokenize.ts';
import { type AnsweredCall, lastUserText, type OfferedTool, type TurnRequest } from './turn.ts';
import { valueForSchema } from './value-for-schema.ts';
import { hintsFrom, properNames } from './value-hints.ts';

const MAX_CALLS = 4;
const CALL_ID_BYTES = 12;
/** A coding agent offers many tools with pages of description, in which any word occurs: one in common says nothing. */
const MANY_TOOLS = 5;
const DESCRIPTION_CHARACTERS = 200;
const COMMON_WORDS = new Set(
  'a an and are at by can current do find for from get give how i in is it look me my of on or please run set show tell that the this to up what which with you your'.split(
    ' ',
  ),
);

/** Which of the offered functions this turn calls, with arguments; empty when it answers in words. */
export function chooseToolCalls(request: TurnRequest): AnsweredCall[] {
  const text = lastUserText(request);
  const tools = chooseTools(request, text);
  const calls =
    tools.length === 1
      ? tools.flatMap((tool) => callsOfOneTool(tool, text))
      : tools.map((tool) => callOf(tool, text));
  return calls.slice(0, request.parallelToolCalls ? MAX_CALLS : 1);
}

function chooseTools(request: TurnRequest, text: string): OfferedTool[] {
  const { toolChoice, tools } = request;
  if (toolChoice === 'none' || tools.length === 0) return [];
  if (typeof toolChoice === 'object') {
    const named = tools.find((tool) => tool.name === toolChoice.name);
    return named ? [named] : [];
  }
  const asked = rankTools(tools, text);
  if (toolChoice === 'required') return asked.length > 0 ? asked : tools.slice(0, 1);
  // A result has just come in: this turn is for telling it, not for asking again.
  if (request.messages.at(-1)?.role === 'tool') return [];
  if (asked.length > 0) return asked;
  return tools.length === 1 && text.endsWith('?') ? [...tools] : [];
}

/** The functions that the text plainly asks for, else the single one it comes closest to. */
function rankTools(tools: readonly OfferedTool[], text: string): OfferedTool[] {
  const said = new Set(wordsOf(text));
  const plainlyAsked = tools.filter((tool) => {
    const words = wordsOf(tool.name);
    return text.includes(tool.name) || (words.length > 0 && words.every((word) => said.has(word)));
  });
  if (plainlyAsked.length > 0) return plainlyAsked.slice(0, MAX_CALLS);
  let best: OfferedTool | undefined;
  let bestScore = tools.length > MANY_TOOLS ? 1 : 0;
  for (const tool of tools) {
    const described = new Set([
      ...wordsOf(tool.name),
      ...wordsOf(tool.description.slice(0, DESCRIPTION_CHARACTERS)),
    ]);
    const score = [...described].filter((word) => said.has(word)).length;
    if (score > bestScore) [best, bestScore] = [tool, score];
  }
  return best ? [best] : [];
}

/** Words that carry meaning, lower case, without plural endings; `getWeather` and `get_weather` read alike. */
function wordsOf(text: string): string[] {
  const spaced = text.replaceAll(/(\p{Ll})(\p{Lu})/gu, '$1 $2').toLowerCase();
  return (spaced.match(/[\p{L}\p{N}]+/gu) ?? [])
    .filter((word) => word.length > 1 && !COMMON_WORDS.has(word))
    .map((word) => (word.length > 3 ? word.replace(/s$/, '') : word));
}

/** "the weather in Paris and London" is one call for each of them. */
function callsOfOneTool(tool: OfferedTool, text: string): AnsweredCall[] {
  const names = /\band\b|,/.test(text) ? properNames(text) : [];
  if (names.length < 2) return [callOf(tool, text)];
  const calls = names.map((name) => callOf(tool, text, name));
  const distinct = new Set(calls.map((call) => call.argumentTokens.join('')));
  return distinct.size === calls.length ? calls : [callOf(tool, text)];
}

/** A call in its own right, under a fresh id. */
export function answeredCall(name: string, argumentsJson: string): AnsweredCall {
  const id = `call_${randomBytes(CALL_ID_BYTES).toString('hex')}`;
  return { id, name, argumentTokens: tokenize(argumentsJson) };
}

function callOf(tool: OfferedTool, text: string, subject?: string): AnsweredCall {
  const value = valueForSchema(tool.parameters, hintsFrom(text, subject), false);
  // Arguments are an object by definition of the protocols, whatever the declared schema says.
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return answeredCall(tool.name, JSON.stringify(isObject ? value : {}));
}
