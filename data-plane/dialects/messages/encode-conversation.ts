import {
  type ContentWriting,
  encodeAssistantPart,
  encodeUserPart,
} from '#data-plane/dialects/messages/encode-content.ts';
import type { JsonObject, Part, TurnMessage } from '#data-plane/dialects/turn.ts';
import { fault } from '#shared/fault.ts';

interface Draft {
  readonly role: 'user' | 'assistant' | 'system';
  content: JsonObject[];
}

export interface Conversation {
  readonly system: readonly JsonObject[];
  readonly messages: readonly JsonObject[];
  /** The conversation ends in results of calls that no thinking of this provider precedes. */
  readonly endsInForeignToolLoop: boolean;
}

/** Stands before a history that begins with the assistant: the provider wants the user first. */
const OPENING = 'Continue the conversation.';

/**
 * The turn's messages under the provider's rules: system prompts apart, roles in turn, all results of a turn's calls first
 * in the one user message that follows them, and no block without visible text.
 */
export function encodeConversation(messages: readonly TurnMessage[], writing: ContentWriting): Conversation {
  const later = messages.findIndex((message) => !isPrompt(message));
  const prompts = later === -1 ? messages : messages.slice(0, later);
  const system = prompts.flatMap((message, at) =>
    partsOf(message, at, writing, (part, path) => promptBlock(part, path, writing)),
  );
  const drafts = mergeDrafts(
    messages.slice(prompts.length).map((message, at) => draftOf(message, at + prompts.length, writing)),
  );
  for (const draft of drafts) draft.content = inOrder(draft);
  checkResults(drafts, writing);
  trimPrefill(drafts.at(-1));
  const opened: Draft[] = drafts[0]?.role === 'assistant' ? [openingDraft(), ...drafts] : drafts;
  if (opened.length === 0) {
    const message = "'messages' must hold at least one message with visible content.";
    writing.losses.fail(fault('invalid_messages', message, { param: 'messages' }));
  }
  return {
    system,
    messages: opened.map(({ role, content }) => ({ role, content })),
    endsInForeignToolLoop: endsInForeignToolLoop(drafts),
  };
}

function isPrompt(message: TurnMessage): boolean {
  return message.role === 'system' || message.role === 'developer';
}

function openingDraft(): Draft {
  return { role: 'user', content: [{ type: 'text', text: OPENING }] };
}

function partsOf(
  message: TurnMessage,
  at: number,
  writing: ContentWriting,
  encode: (part: Part, path: string) => JsonObject | undefined,
): JsonObject[] {
  const path = message.at ?? `messages[${at}]`;
  if (message.name !== undefined) writing.losses.admits('message.name', path);
  return message.parts.flatMap((part, index) => {
    const block = encode(part, part.at ?? `${path}.content[${index}]`);
    return block === undefined ? [] : [block];
  });
}

function promptBlock(part: Part, path: string, writing: ContentWriting): JsonObject | undefined {
  if (part.kind === 'text' || part.kind === 'refusal') return encodeUserPart(part, path, writing);
  writing.losses.dropField(path);
  return undefined;
}

function draftOf(message: TurnMessage, at: number, writing: ContentWriting): Draft {
  if (message.role === 'assistant') {
    const encode = (part: Part, path: string) => encodeAssistantPart(part, path, writing);
    return { role: 'assistant', content: partsOf(message, at, writing, encode) };
  }
  const content = partsOf(message, at, writing, (part, path) => encodeUserPart(part, path, writing));
  if (message.role === 'user') return { role: 'user', content };
  // A block of the provider's own kind shows that the client wrote for it, where the role may stand anywhere.
  const isOwn = message.parts.some((part) => part.kind === 'native' && part.family === 'messages');
  return isOwn ? { role: 'system', content } : { role: 'user', content: content.map(asInstruction) };
}

function asInstruction(block: JsonObject): JsonObject {
  if (block.type !== 'text') return block;
  return { ...block, text: `<system>\n${String(block.text)}\n</system>` };
}

function mergeDrafts(drafts: readonly Draft[]): Draft[] {
  const merged: Draft[] = [];
  for (const draft of drafts) {
    const last = merged.at(-1);
    if (draft.content.length === 0) continue;
    if (last?.role === draft.role) last.content.push(...draft.content);
    else merged.push({ role: draft.role, content: [...draft.content] });
  }
  return merged;
}

/** Results come first in a user message; in an assistant message nothing follows the calls. */
function inOrder({ role, content }: Draft): JsonObject[] {
  const isResult = (block: JsonObject) => block.type === 'tool_result';
  const isCall = (block: JsonObject) => block.type === 'tool_use';
  if (role === 'user') return [...content.filter(isResult), ...content.filter((block) => !isResult(block))];
  return [...content.filter((block) => !isCall(block)), ...content.filter(isCall)];
}

/** Each call has its result in the next message, and each result its call in the message before. */
function checkResults(drafts: readonly Draft[], writing: ContentWriting): void {
  let open = new Set<unknown>();
  for (const { role, content } of drafts) {
    const results = content.flatMap((block) => (block.type === 'tool_result' ? [block.tool_use_id] : []));
    const matches =
      results.every((id) => open.has(id)) && [...open].every((id) => results.includes(id as string));
    if (!matches) {
      refuseMismatch(writing);
      return;
    }
    open = new Set(
      role === 'assistant' ? content.flatMap((block) => (block.type === 'tool_use' ? [block.id] : [])) : [],
    );
  }
  if (open.size > 0) refuseMismatch(writing);
}

function refuseMismatch(writing: ContentWriting): void {
  const message =
    'Each tool call needs its result in the messages directly after it, and each result its call.';
  writing.losses.fail(fault('tool_call_id_mismatch', message, { param: 'messages' }));
}

/** An answer that the client began must not end in white space. */
function trimPrefill(last: Draft | undefined): void {
  const block = last?.role === 'assistant' ? last.content.at(-1) : undefined;
  if (last !== undefined && block !== undefined && typeof block.text === 'string')
    last.content = [...last.content.slice(0, -1), { ...block, text: block.text.trimEnd() }];
}

function endsInForeignToolLoop(drafts: readonly Draft[]): boolean {
  const last = drafts.at(-1);
  const calls = drafts.at(-2);
  if (last?.role !== 'user' || last.content[0]?.type !== 'tool_result' || calls === undefined) return false;
  const first = calls.content[0]?.type;
  return first !== 'thinking' && first !== 'redacted_thinking';
}
