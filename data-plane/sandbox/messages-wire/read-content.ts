import { z } from 'zod';
import { isOwnState } from '../opaque-state.ts';
import type { TurnMessage } from '../turn.ts';
import type { WireError } from '../wire-error.ts';

/** Family of the sandbox's opaque values in this protocol. */
export const THINKING_FAMILY = 'messages.thinking';
export const REDACTED_FAMILY = 'messages.redacted';

const textual = z.looseObject({ type: z.string(), text: z.string().optional() });
export const contentBlock = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  cache_control: z.unknown().optional(),
  thinking: z.string().optional(),
  signature: z.string().optional(),
  data: z.string().optional(),
  id: z.string().optional(),
  name: z.string().optional(),
  input: z.json().optional(),
  tool_use_id: z.string().optional(),
  content: z.union([z.string(), z.array(textual), z.looseObject({})]).optional(),
});
type Block = z.infer<typeof contentBlock>;
type Content = string | readonly Block[];

interface SentMessage {
  readonly role: 'user' | 'assistant' | 'system';
  readonly content: Content;
}

const ATTACHMENTS = new Set(['image', 'document', 'search_result', 'container_upload']);

export function readSystem(content: Content): TurnMessage[] {
  const text = textOf(blocksOf(content));
  return text === '' ? [] : [{ role: 'instructions', text, attachments: 0, toolCalls: [], toolCallId: null }];
}

/** Tool results stand inside the user's messages here: each becomes a message of its own, before what is said with it. */
export function readMessages(messages: readonly SentMessage[]): TurnMessage[] {
  return messages.flatMap(({ role, content }) => {
    const blocks = blocksOf(content);
    const results = blocks.filter((block) => block.type === 'tool_result').map(readResult);
    const said = blocks.filter((block) => block.type !== 'tool_result');
    if (said.length === 0) return results;
    return [
      ...results,
      {
        role: role === 'system' ? ('instructions' as const) : role,
        text: textOf(said),
        attachments: said.filter((block) => ATTACHMENTS.has(block.type)).length,
        toolCalls: said
          .filter((block) => block.type === 'tool_use')
          .map((block) => ({
            id: block.id ?? '',
            name: block.name ?? '',
            argumentsJson: JSON.stringify(block.input ?? {}),
          })),
        toolCallId: null,
      },
    ];
  });
}

function readResult(block: Block): TurnMessage {
  const { content = '' } = block;
  const parts = Array.isArray(content) ? content : [];
  return {
    role: 'tool',
    text: typeof content === 'string' ? content : parts.map((part) => part.text ?? '').join('\n'),
    attachments: parts.filter((part) => part.text === undefined).length,
    toolCalls: [],
    toolCallId: block.tool_use_id ?? null,
  };
}

/** The first thinking that comes back other than the sandbox gave it away. */
export function findUnknownThinking(messages: readonly SentMessage[]): WireError | undefined {
  for (const [index, { content }] of messages.entries()) {
    for (const [place, block] of blocksOf(content).entries()) {
      const param = `messages.${index}.content.${place}`;
      if (block.type === 'thinking' && !isOwn(block.signature, THINKING_FAMILY, block.thinking ?? ''))
        return fault(param, 'Invalid `signature` in `thinking` block');
      if (block.type === 'redacted_thinking' && !isOwn(block.data, REDACTED_FAMILY, ''))
        return fault(param, 'Invalid `data` in `redacted_thinking` block');
    }
  }
  return undefined;
}

function isOwn(value: string | undefined, family: string, bound: string): boolean {
  return value !== undefined && isOwnState(value, family, bound);
}

function fault(param: string, message: string): WireError {
  return { status: 400, param, message: `${param}: ${message}` };
}

function blocksOf(content: Content): readonly Block[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content;
}

function textOf(blocks: readonly Block[]): string {
  return blocks.flatMap((block) => (block.text === undefined ? [] : [block.text])).join('\n');
}
