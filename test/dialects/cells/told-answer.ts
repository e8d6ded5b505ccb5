import { partialParse } from '@anthropic-ai/sdk/_vendor/partial-json-parser/parser';
import type { Dialect } from '#shared/usage-record.ts';

/** Why an answer ended, in words of no dialect. */
export type Ending =
  | 'end'
  | 'length'
  | 'calls'
  | 'sequence'
  | 'filtered'
  | 'refused'
  | 'paused'
  | 'context_full';

export interface ToldCall {
  readonly name: string;
  /** The arguments as JSON says them; text that is no JSON as it is. */
  readonly input: unknown;
}

export interface ToldChoice {
  readonly text: string;
  readonly refusal: string;
  readonly reasoning: string;
  readonly calls: readonly ToldCall[];
  /** Addresses that the text cites, in order. */
  readonly citedUrls: readonly string[];
  /** Tokens with their log probability. */
  readonly logprobs: readonly (readonly [token: string, logprob: number])[];
  readonly ending: Ending;
}

/** Token counts that do not overlap, except that reasoning is a part of the output. */
export interface ToldUsage {
  readonly input: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly output: number;
  readonly reasoning: number;
}

/** What an answer says to whoever reads it, in whichever protocol. Written by readers that share no code with the gateway. */
export interface ToldAnswer {
  readonly choices: readonly ToldChoice[];
  readonly usage: ToldUsage | undefined;
}

const NO_USAGE: ToldUsage = { input: 0, cacheRead: 0, cacheWrite: 0, output: 0, reasoning: 0 };

export const SILENT: ToldChoice = {
  text: '',
  refusal: '',
  reasoning: '',
  calls: [],
  citedUrls: [],
  logprobs: [],
  ending: 'end',
};

/** `''` are no arguments at all, which is an empty object everywhere. */
export function inputOf(argumentsText: string): unknown {
  if (argumentsText.trim() === '') return {};
  try {
    return JSON.parse(argumentsText);
  } catch {
    // Cut arguments are compared by what the SDK that reads them as an object makes of them.
    return argumentsText.startsWith('{') ? partialParse(argumentsText) : argumentsText;
  }
}

/** How each client dialect is able to say an ending. */
const ENDINGS: Readonly<Record<Dialect, Readonly<Record<Ending, Ending>>>> = {
  chat: {
    end: 'end',
    sequence: 'end',
    paused: 'end',
    length: 'length',
    context_full: 'length',
    calls: 'calls',
    filtered: 'filtered',
    refused: 'filtered',
  },
  responses: {
    end: 'end',
    sequence: 'end',
    paused: 'end',
    length: 'length',
    context_full: 'length',
    calls: 'calls',
    filtered: 'filtered',
    refused: 'filtered',
  },
  messages: {
    end: 'end',
    sequence: 'sequence',
    paused: 'paused',
    length: 'length',
    context_full: 'context_full',
    calls: 'calls',
    filtered: 'refused',
    refused: 'refused',
  },
};

/**
 * What a client of the dialect has to be told of an answer: the loss that the dialect itself imposes, written down apart from
 * the code that imposes it. Messages and Responses have one choice and always say counts; Messages says a refusal in text;
 * only Messages tells a refusal without words from a filter.
 */
export function asToldIn(dialect: Dialect, answer: ToldAnswer): ToldAnswer {
  const choices = dialect === 'chat' ? answer.choices : answer.choices.slice(0, 1);
  const usage = dialect === 'chat' ? answer.usage : (answer.usage ?? NO_USAGE);
  return { choices: choices.map((choice) => choiceIn(dialect, choice)), usage };
}

function choiceIn(dialect: Dialect, choice: ToldChoice): ToldChoice {
  const refusedInWords = choice.refusal !== '' && (choice.ending === 'refused' || choice.ending === 'end');
  if (dialect !== 'messages') {
    const ending = refusedInWords ? 'end' : ENDINGS[dialect][choice.ending];
    return { ...choice, ending };
  }
  return {
    ...choice,
    text: choice.text + choice.refusal,
    refusal: '',
    // The dialect has no place for them.
    logprobs: [],
    ending: refusedInWords ? 'refused' : ENDINGS.messages[choice.ending],
    calls: choice.calls.map(({ name, input }) => ({ name, input: asObject(input) })),
  };
}

/** Arguments are an object in Messages; anything else is kept under `input`. */
function asObject(input: unknown): unknown {
  return typeof input === 'object' && input !== null && !Array.isArray(input) ? input : { input };
}
