import { lastUserText, type TurnRequest } from './turn.ts';

const SHOWN_REQUEST_CHARACTERS = 160;
const SHOWN_RESULT_CHARACTERS = 600;
const MAX_ASKED_WORDS = 2000;

/**
 * The words of an answer: fixed for a given request, plainly marked as the sandbox's own, and about what was asked so that
 * a developer sees the request arrive whole.
 */
export function composeText(request: TurnRequest): string {
  const asked = lastUserText(request);
  if (request.messages.at(-1)?.role === 'tool') return answerFromToolResults(request);
  // Five words, because that is what the first request of a newcomer asks for.
  if (/^(please )?say (hello|hi)\b/i.test(asked)) return 'Hello from the CrossModel sandbox.';
  const repeated = echoed(asked);
  if (repeated !== undefined) return `${repeated}\n\n${shortNote(request.model)}`;
  if (/^(hi|hello|hey|good (morning|afternoon|evening))\b.{0,30}$/is.test(asked))
    return `Hello! ${longNote(request.model)} Ask me anything: the answer will be a sample, the wire format is the real one.`;
  const body = /\b(code|function|script|program|snippet|typescript|python|javascript|sql)\b/i.test(asked)
    ? sampleCode(asked)
    : listLength(asked) > 0
      ? sampleList(asked)
      : sampleParagraphs(request, asked);
  return `${longNote(request.model)}\n\n${body}`;
}

/** The refusal that `sandbox:refusal` asks for. */
export const REFUSAL_TEXT =
  "I'm sorry, I can't help with that. (A sample refusal of the CrossModel sandbox.)";

/** What the sandbox shows of its reasoning. */
export function composeThought(request: TurnRequest): string {
  const asked = lastUserText(request).slice(0, SHOWN_REQUEST_CHARACTERS);
  return `The request says: "${asked}". I am the sandbox, so a sample answer in the right wire format is what is wanted.`;
}

/** Words of filler, for answers of a given length. */
export function fillerToken(index: number): string {
  const words = [
    'This',
    ' sample',
    ' text',
    ' of',
    ' the',
    ' sandbox',
    ' goes',
    ' on',
    ' as',
    ' asked',
    '.',
    ' ',
  ];
  return words[index % words.length] ?? ' ';
}

function shortNote(model: string): string {
  return `(CrossModel sandbox, in place of ${model}: no language model was asked.)`;
}

function longNote(model: string): string {
  return `This is the CrossModel sandbox answering in place of ${model}; no provider credential is set for it, so no language model was asked.`;
}

/** "Say this is a test" and its kin. */
function echoed(asked: string): string | undefined {
  const wanted =
    /^(?:please\s+)?(?:just\s+)?(?:say|repeat|echo|reply with|respond with|answer with)(?:\s+(?:exactly|only|just|the words?))*\s*:?\s+["“'`]?(.{1,300}?)["”'`]?[.!]?$/is.exec(
      asked,
    )?.[1];
  if (wanted === undefined) return undefined;
  return `${wanted.charAt(0).toUpperCase()}${wanted.slice(1)}${/[.!?]$/.test(wanted) ? '' : '.'}`;
}

function answerFromToolResults(request: TurnRequest): string {
  const lastAsking = request.messages.findLastIndex((message) => message.role !== 'tool');
  const names = new Map(request.messages[lastAsking]?.toolCalls.map((call) => [call.id, call.name]));
  const results = request.messages.slice(lastAsking + 1).map((message) => {
    const name = names.get(message.toolCallId ?? '') ?? 'the tool';
    return `${name} returned ${shorten(readableResult(message.text), SHOWN_RESULT_CHARACTERS)}.`;
  });
  return `${results.join(' ')}\n\n${shortNote(request.model)}`;
}

/** `{"city":"Paris","celsius":18}` reads "city: Paris, celsius: 18". */
function readableResult(text: string): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return text.trim() === '' ? 'nothing' : text.trim().replace(/\.$/, '');
  }
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([name, part]) => `${name}: ${typeof part === 'object' ? JSON.stringify(part) : String(part)}`)
    .join(', ');
}

function listLength(asked: string): number {
  if (!/\b(list|name|steps|ideas|tips|reasons|examples|options|bullet)/i.test(asked)) return 0;
  const words: Readonly<Record<string, number>> = {
    two: 2,
    three: 3,
    four: 4,
    five: 5,
    six: 6,
    seven: 7,
    ten: 10,
  };
  const [count] = /\b(\d{1,2}|two|three|four|five|six|seven|ten)\b/i.exec(asked) ?? [];
  if (count === undefined) return 3;
  return Math.min(words[count.toLowerCase()] ?? Number(count), 20);
}

function sampleList(asked: string): string {
  const items = Array.from(
    { length: listLength(asked) },
    (_, index) => `${index + 1}. Sample point ${index + 1} of the list that was asked for`,
  );
  return `You asked: “${shorten(asked, SHOWN_REQUEST_CHARACTERS)}”\n\n${items.join('\n')}`;
}

function sampleCode(asked: string): string {
  const code = /\bpython\b/i.test(asked)
    ? '```python\ndef greet(name: str) -> str:\n    """A sample from the sandbox."""\n    return f"Hello, {name}!"\n```'
    : /\bsql\b/i.test(asked)
      ? '```sql\n-- A sample from the sandbox.\nselect count(*) from orders where created_at >= current_date;\n```'
      : '```typescript\n/** A sample from the sandbox. */\nexport function greet(name: string): string {\n  return "Hello, " + name + "!";\n}\n```';
  return `You asked: “${shorten(asked, SHOWN_REQUEST_CHARACTERS)}”. A code block looks like this on the wire:\n\n${code}`;
}

function sampleParagraphs(request: TurnRequest, asked: string): string {
  const attachments = request.messages.reduce((sum, message) => sum + message.attachments, 0);
  const counted = `The conversation has ${count(request.messages.length, 'message')}${
    attachments > 0 ? ` and ${count(attachments, 'attachment')}` : ''
  }${request.tools.length > 0 ? `, with ${count(request.tools.length, 'tool')} on offer` : ''}.`;
  const quotedRequest =
    asked === ''
      ? 'No user message was sent.'
      : `Your last message was: “${shorten(asked, SHOWN_REQUEST_CHARACTERS)}”.`;
  const closing =
    'A real model would answer here. Tokens, streaming, tool calls and usage behave as they would in production, so you can finish your integration before you add a provider key.';
  return `${quotedRequest} ${counted}\n\n${closing}${longerText(asked)}`;
}

/** "in 300 words" gets about that many more words. */
function longerText(asked: string): string {
  const [, words] = /\b(\d{2,4})[- ]words?\b/i.exec(asked) ?? [];
  if (words === undefined) return '';
  const wanted = Math.min(Number(words), MAX_ASKED_WORDS);
  return `\n\n${Array.from({ length: wanted }, (_, index) => fillerToken(index)).join('')}`;
}

function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`;
}

function shorten(text: string, characters: number): string {
  const oneLine = text.replaceAll(/\s+/g, ' ');
  return oneLine.length <= characters ? oneLine : `${oneLine.slice(0, characters - 1).trimEnd()}…`;
}
