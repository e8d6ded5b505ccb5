import { countIn, field, listOf, textOf, toldLogprob } from './read-chat.ts';
import type { Ending, ToldAnswer, ToldCall, ToldChoice, ToldUsage } from './told-answer.ts';

const FILTERED = /SAFETY|RECITATION|BLOCKLIST|PROHIBITED|SPII|LANGUAGE|ARMOR/;

interface Draft {
  text: string;
  reasoning: string;
  calls: { name: string; args: unknown }[];
  urls: Set<string>;
  logprobs: [string, number][];
  reason: unknown;
}

/** Reads Gemini by its documentation: chunks in any number, or a body as the only one. */
export function readGemini(chunks: readonly unknown[]): ToldAnswer {
  const drafts = new Map<number, Draft>();
  let usage: ToldUsage | undefined;
  let isBlocked = false;
  for (const chunk of chunks) {
    if (field(chunk, 'error') !== undefined) throw new Error('an error inside a successful answer');
    isBlocked ||= field(field(chunk, 'promptFeedback'), 'blockReason') !== undefined;
    for (const candidate of listOf(field(chunk, 'candidates'))) addCandidate(drafts, candidate);
    usage = usageOf(field(chunk, 'usageMetadata')) ?? usage;
  }
  if (drafts.size === 0 && isBlocked) return { choices: [choiceOf(undefined, 'filtered')], usage };
  if (drafts.size === 0) throw new Error('no candidates');
  const choices = [...drafts.values()].map((draft) => choiceOf(draft, endingOf(draft)));
  return { choices, usage };
}

function addCandidate(drafts: Map<number, Draft>, candidate: Record<string, unknown>): void {
  const at = countIn(candidate, 'index') ?? 0;
  const draft: Draft = drafts.get(at) ?? {
    text: '',
    reasoning: '',
    calls: [],
    urls: new Set(),
    logprobs: [],
    reason: undefined,
  };
  drafts.set(at, draft);
  draft.reason = candidate.finishReason ?? draft.reason;
  for (const part of listOf(field(candidate.content, 'parts'))) {
    if (part.thought === true) draft.reasoning += textOf(part.text);
    else draft.text += textOf(part.text);
    addCall(draft, part.functionCall);
  }
  for (const entry of listOf(field(candidate.logprobsResult, 'chosenCandidates')))
    draft.logprobs.push(toldLogprob(entry.token, entry.logProbability));
  for (const url of citedUrls(candidate)) draft.urls.add(url);
}

/** A call comes whole, or its name first and its arguments as fragments that name their place. */
function addCall(draft: Draft, call: unknown): void {
  const name = textOf(field(call, 'name'));
  if (name !== '') draft.calls.push({ name, args: field(call, 'args') ?? {} });
  const last = draft.calls.at(-1);
  for (const fragment of listOf(field(call, 'partialArgs'))) {
    const path = textOf(fragment.jsonPath).replace(/^\$\.?/, '');
    const args = last?.args as Record<string, unknown>;
    const value = fragment.stringValue ?? fragment.numberValue ?? fragment.boolValue ?? null;
    args[path] = typeof args[path] === 'string' && typeof value === 'string' ? args[path] + value : value;
  }
}

/** Each grounded statement names its sources; without statements the sources stand for the whole. */
function citedUrls(candidate: Record<string, unknown>): string[] {
  const grounding = candidate.groundingMetadata;
  const chunks = listOf(field(grounding, 'groundingChunks')).map((chunk) =>
    textOf(field(chunk.web ?? chunk.retrievedContext ?? chunk.maps, 'uri')),
  );
  const supports = listOf(field(grounding, 'groundingSupports'));
  const indices = supports.flatMap(({ groundingChunkIndices: list }) => (Array.isArray(list) ? list : []));
  const cited = supports.length === 0 ? chunks : indices.map((index) => chunks[Number(index)] ?? '');
  const recited = listOf(field(candidate.citationMetadata, 'citationSources')).map(({ uri }) => textOf(uri));
  return [...cited, ...recited].filter((url) => url !== '');
}

function endingOf({ reason, calls, text }: Draft): Ending {
  const name =
    typeof reason === 'number' ? ['', 'STOP', 'MAX_TOKENS', 'SAFETY', 'RECITATION'][reason] : reason;
  if (name === 'MAX_TOKENS') return 'length';
  if (FILTERED.test(String(name))) return 'filtered';
  if (calls.length > 0) return 'calls';
  if (name === undefined || (name !== 'STOP' && text === '')) throw new Error(`ended with ${String(name)}`);
  return 'end';
}

function choiceOf(draft: Draft | undefined, ending: Ending): ToldChoice {
  const calls: ToldCall[] = (draft?.calls ?? []).map(({ name, args }) => ({ name, input: args }));
  return {
    text: draft?.text ?? '',
    refusal: '',
    reasoning: draft?.reasoning ?? '',
    calls,
    citedUrls: [...(draft?.urls ?? [])],
    logprobs: draft?.logprobs ?? [],
    ending,
  };
}

function usageOf(stated: unknown): ToldUsage | undefined {
  const prompt = countIn(stated, 'promptTokenCount');
  if (prompt === undefined) return undefined;
  const cacheRead = countIn(stated, 'cachedContentTokenCount') ?? 0;
  const reasoning = countIn(stated, 'thoughtsTokenCount') ?? 0;
  return {
    input: prompt - cacheRead + (countIn(stated, 'toolUsePromptTokenCount') ?? 0),
    cacheRead,
    cacheWrite: 0,
    output: (countIn(stated, 'candidatesTokenCount') ?? 0) + reasoning,
    reasoning,
  };
}
