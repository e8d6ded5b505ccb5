import type { TurnMessage, TurnRequest } from './turn.ts';

/**
 * Coding agents put notes of their own into the user's turns: Claude Code before the request and beside tool results,
 * Codex in messages before it; a gateway writes instructions in the middle of a conversation as `<system>` where the
 * protocol has no place for them. A model tells them from the request; so does the sandbox.
 */
const NOTES =
  /<(system|system-reminder|environment_context|user_instructions|local-command-caveat|INSTRUCTIONS)(?:\s[^>]*)?>[\s\S]*?<\/\1>/g;

/** The request as its user meant it: without such notes, and without messages that hold nothing else. */
export function withoutHarnessNotes(request: TurnRequest): TurnRequest {
  return { ...request, messages: request.messages.flatMap(withoutNotes) };
}

function withoutNotes(message: TurnMessage): TurnMessage[] {
  if (message.role !== 'user') return [message];
  const text = message.text.replaceAll(NOTES, '').trim();
  if (text === message.text.trim()) return [message];
  return text === '' && message.attachments === 0 ? [] : [{ ...message, text }];
}
