import type { OpenAI } from 'openai';
import { type Ending, inputOf, type ToldAnswer, type ToldChoice, type ToldUsage } from './told-answer.ts';

type Delta = Record<string, unknown>;

interface Draft {
  text: string;
  refusal: string;
  reasoning: string;
  calls: { index: unknown; id: unknown; name: string; arguments: string }[];
  citedUrls: string[];
  logprobs: [string, number][];
  reason: string | undefined;
  isFiltered: boolean;
}

const ENDINGS: Readonly<Record<string, Ending>> = {
  length: 'length',
  max_tokens: 'length',
  tool_calls: 'calls',
  function_call: 'calls',
  content_filter: 'filtered',
};
const REQUEST = { messages: [{ role: 'user' as const, content: 'x' }] };
const WITH_USAGE = { stream_options: { include_usage: true } };

/** Reads a chat stream with the official SDK's own parser; throws where that does. */
export async function readChatStream(client: OpenAI, model = 'm'): Promise<ToldAnswer> {
  const chunks = await client.chat.completions.create({ ...REQUEST, ...WITH_USAGE, model, stream: true });
  const drafts = new Map<number, Draft>();
  let usage: ToldUsage | undefined;
  let sources: unknown;
  for await (const chunk of chunks) {
    sources = field(chunk, 'search_results') ?? sources;
    for (const choice of chunk.choices ?? []) addPiece(draftOf(drafts, choice.index), choice, 'delta');
    usage = usageOf(chunk) ?? usage;
  }
  return { choices: finish(drafts, sources), usage };
}

/** The same of an answer that was not streamed. */
export async function readChatBody(client: OpenAI, model = 'm'): Promise<ToldAnswer> {
  const completion = await client.chat.completions.create({ ...REQUEST, model });
  if (field(completion, 'error') !== undefined) throw new Error('an error inside a successful answer');
  const drafts = new Map<number, Draft>();
  for (const choice of completion.choices) {
    if (field(choice, 'error') !== undefined) throw new Error('an error inside a choice');
    addPiece(draftOf(drafts, choice.index), choice, 'message');
  }
  return { choices: finish(drafts, field(completion, 'search_results')), usage: usageOf(completion) };
}

/**
 * What the SDK's stream helper ends up with, which real programs read. Of fields that it does not know it keeps the last
 * piece only, so thoughts cannot be told.
 */
export async function readChatHelper(client: OpenAI, model = 'm'): Promise<ToldAnswer> {
  const stream = client.chat.completions.stream({ ...REQUEST, ...WITH_USAGE, model });
  // An answer that was cut by length or filter is refused at the end, so the snapshot is read.
  let failure: unknown;
  await stream.done().catch((error: unknown) => {
    failure = error;
  });
  const isCut = /length limit|content filter/i.test(String(failure));
  if (failure !== undefined && !isCut) throw failure;
  const completion = isCut ? stream.currentChatCompletionSnapshot : await stream.finalChatCompletion();
  if (completion === undefined) throw new Error('no completion');
  const drafts = new Map<number, Draft>();
  for (const choice of completion.choices) addPiece(draftOf(drafts, choice.index), choice, 'message');
  const choices = finish(drafts, undefined);
  return { choices: choices.map((choice) => ({ ...choice, reasoning: '' })), usage: usageOf(completion) };
}

function draftOf(drafts: Map<number, Draft>, index: number | undefined): Draft {
  const at = index ?? 0;
  const known = drafts.get(at);
  if (known !== undefined) return known;
  const draft: Draft = {
    text: '',
    refusal: '',
    reasoning: '',
    calls: [],
    citedUrls: [],
    logprobs: [],
    reason: undefined,
    isFiltered: false,
  };
  drafts.set(at, draft);
  return draft;
}

function addPiece(draft: Draft, choice: object, kind: 'delta' | 'message'): void {
  const reason = field(choice, 'finish_reason');
  if (typeof reason === 'string' && reason !== '') draft.reason = reason;
  const said = field(choice, kind) as Delta | undefined;
  if (said === undefined || said === null) {
    draft.isFiltered = true;
    return;
  }
  addContent(draft, said.content);
  draft.refusal += textOf(said.refusal);
  const plain = textOf(said.reasoning_content) || textOf(said.reasoning);
  const typed = listOf(said.reasoning_details).map((entry) => textOf(entry.text) || textOf(entry.summary));
  // Where a provider repeats the whole thought with its signature, it is one thought all the same.
  if (plain !== '') draft.reasoning += plain;
  else if (typed.join('') !== draft.reasoning) draft.reasoning += typed.join('');
  for (const call of listOf(said.tool_calls)) addCall(draft, call);
  const legacy = said.function_call;
  if (typeof legacy === 'object' && legacy !== null) addCall(draft, { index: 0, function: legacy });
  for (const annotation of listOf(said.annotations)) {
    const url = textOf(field(annotation.url_citation, 'url'));
    if (url !== '') draft.citedUrls.push(url);
  }
  const logprobs = field(choice, 'logprobs');
  for (const entry of listOf(field(logprobs, 'content') ?? field(logprobs, 'refusal')))
    draft.logprobs.push(toldLogprob(entry.token, entry.logprob));
}

/** Text, or the list of blocks in which Mistral tells its thoughts. */
function addContent(draft: Draft, content: unknown): void {
  draft.text += textOf(content);
  for (const block of listOf(content)) {
    draft.text += textOf(block.text);
    for (const piece of listOf(block.thinking)) draft.reasoning += textOf(piece.text);
  }
}

function addCall(draft: Draft, call: Delta): void {
  const called = (call.function ?? call.custom) as Delta | undefined;
  const last = draft.calls.at(-1);
  const known =
    call.index === undefined
      ? last !== undefined && (call.id === undefined || call.id === last.id)
        ? last
        : undefined
      : draft.calls.find(({ index }) => index === call.index);
  const target = known ?? { index: call.index, id: call.id, name: '', arguments: '' };
  if (known === undefined) draft.calls.push(target);
  target.name += textOf(called?.name);
  target.arguments += textOf(called?.arguments) + textOf(called?.input);
}

function finish(drafts: ReadonlyMap<number, Draft>, sources: unknown): ToldChoice[] {
  const inOrder = [...drafts.entries()].sort(([one], [other]) => one - other);
  return inOrder.map(([, draft]) => {
    const { text, refusal, reasoning, logprobs } = draft;
    const calls = draft.calls.map((call) => ({ name: call.name, input: inputOf(call.arguments) }));
    const cited = listOf(sources).map(({ url }) => textOf(url));
    const citedUrls = draft.citedUrls.length > 0 ? draft.citedUrls : cited;
    return { text, refusal, reasoning, logprobs, calls, citedUrls, ending: endingOf(draft) };
  });
}

/** Several providers end a call with another reason, and a filtered choice may lack both reason and message. */
function endingOf({ reason, calls, isFiltered, text }: Draft): Ending {
  if (reason === undefined && isFiltered && text === '') return 'filtered';
  const stated = ENDINGS[reason ?? ''] ?? 'end';
  return stated === 'end' && calls.length > 0 ? 'calls' : stated;
}

function usageOf(holder: object): ToldUsage | undefined {
  const usage = field(holder, 'usage') ?? field(field(holder, 'x_groq'), 'usage');
  const prompt = countIn(usage, 'prompt_tokens');
  if (prompt === undefined) return undefined;
  const completion = countIn(usage, 'completion_tokens') ?? 0;
  const details = field(usage, 'prompt_tokens_details');
  const reasoning = countIn(field(usage, 'completion_tokens_details'), 'reasoning_tokens') ?? 0;
  const cacheRead =
    countIn(details, 'cached_tokens') ??
    countIn(usage, 'prompt_cache_hit_tokens') ??
    countIn(usage, 'cached_tokens') ??
    0;
  const cacheWrite = countIn(details, 'cache_write_tokens') ?? 0;
  const uncounted = (countIn(usage, 'total_tokens') ?? 0) - prompt - completion;
  const audio = countIn(details, 'audio_tokens') ?? 0;
  // xAI leaves its reasoning out of the completion, Mistral its audio out of the prompt; the total has both.
  const hidden = uncounted > 0 && uncounted === reasoning ? reasoning : 0;
  const unheard = hidden === 0 && uncounted > 0 && uncounted === audio ? audio : 0;
  return {
    input: prompt - cacheRead - cacheWrite + unheard,
    cacheRead,
    cacheWrite,
    output: completion + hidden,
    // A gateway in front of Gemini counts thoughts that it has left out of the completion.
    reasoning: Math.min(reasoning, completion + hidden),
  };
}

/** Providers round in one event and not in the other. */
export function toldLogprob(token: unknown, logprob: unknown): [string, number] {
  const rounded = Math.round(Number(logprob ?? 0) * 1e5) / 1e5;
  return [textOf(token), rounded === 0 ? 0 : rounded];
}

export function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? ((value as Record<string, unknown>)[name] ?? undefined)
    : undefined;
}

export function countIn(value: unknown, name: string): number | undefined {
  const found = field(value, name);
  return typeof found === 'number' ? found : undefined;
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function listOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'object' && item !== null) : [];
}
