import type { JsonValue } from './turn.ts';

/** What the words of a user offer for the fields of a schema. */
export interface ValueHints {
  /** Whether the user names this value of an enumeration. */
  names(value: string): boolean;
  /** A value for a field of this name and JSON type; `undefined` when the user offers none. */
  valueFor(field: string, type: string): JsonValue | undefined;
}

const WHOLE_TEXT_FIELDS =
  /^(query|question|q|search|search_?(query|term)|text|prompt|input|message|content|task|topic)$/i;
const NAME_FIELDS =
  /(city|location|place|country|town|address|destination|origin|zone|name|person|company|subject|recipient)/i;
const SENTENCE_STARTERS =
  /^(what|who|where|when|why|how|which|is|are|can|could|would|will|do|does|please|tell|give|show|find|get|look|check|compare|the|a|an|i|in|and|also|then|use|call|search|book|send|set|add|create|write)$/i;
const PATTERN_FIELDS: readonly (readonly [RegExp, RegExp])[] = [
  [/(url|uri|link|website)/i, /https?:\/\/[^\s"'<>)]+/],
  [/e?-?mail/i, /[\w.+-]+@[\w-]+\.[\w.-]*\w/],
  [/date|day|deadline/i, /\b\d{4}-\d{2}-\d{2}\b/],
  [/time|hour/i, /\b\d{1,2}:\d{2}\b/],
  [/(file|path|dir)/i, /(?:\.{0,2}\/)?[\w-]+(?:\/[\w.-]+)+|\b[\w-]+\.[a-z]{1,5}\b/],
  [/(expression|formula|equation|calculation)/i, /[-+]?\d[\d\s.]*(?:[-+*/^x×÷]\s*[-+]?\d[\d\s.]*)+/],
];

/** Hints for one call; `subject` is the name that this call is about when a text names several. */
export function hintsFrom(text: string, subject: string | undefined): ValueHints {
  const lowerCase = text.toLowerCase();
  return {
    names: (value) => value !== '' && lowerCase.includes(value.toLowerCase()),
    valueFor: (field, type) => {
      if (type === 'integer' || type === 'number') return firstNumber(text, type);
      return type === 'string' ? stringFor(field, text, subject) : undefined;
    },
  };
}

function stringFor(field: string, text: string, subject: string | undefined): string | undefined {
  for (const [fieldPattern, valuePattern] of PATTERN_FIELDS) {
    const found = fieldPattern.test(field) ? valuePattern.exec(text)?.[0].trim() : undefined;
    if (found !== undefined) return found;
  }
  if (WHOLE_TEXT_FIELDS.test(field)) return subject ?? (text === '' ? undefined : text.slice(0, 200));
  if (NAME_FIELDS.test(field)) return subject ?? properNames(text)[0] ?? quoted(text);
  return quoted(text);
}

/** Names in the text, in order: runs of capitalised words that do not merely begin a sentence. */
export function properNames(text: string): string[] {
  const names: string[] = [];
  for (const [run] of text.matchAll(
    /\p{Lu}[\p{L}'’-]*(?: (?:(?:de|del|da|do|la|of|van|von) )?\p{Lu}[\p{L}'’-]*)*/gu,
  )) {
    const words = run.split(' ');
    while (words[0] !== undefined && SENTENCE_STARTERS.test(words[0].replace(/['’].*$/, ''))) words.shift();
    const name = words.join(' ');
    if (name.length > 1 && !names.includes(name)) names.push(name);
  }
  return names;
}

function firstNumber(text: string, type: string): number | undefined {
  const [found] = /-?\d+(?:\.\d+)?/.exec(text) ?? [];
  if (found === undefined) return undefined;
  const value = Number(found);
  return type === 'integer' && !Number.isSafeInteger(value) ? undefined : value;
}

function quoted(text: string): string | undefined {
  return /["“]([^"”]{1,200})["”]/.exec(text)?.[1];
}
