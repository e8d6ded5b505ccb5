import { z } from 'zod';
import type { TurnMessage } from '../turn.ts';
import type { WireError } from '../wire-error.ts';
import { isOwnReasoning } from './reasoning-seal.ts';

const contentPart = z.looseObject({
  type: z.string(),
  // Agents' histories spell out what a part has not.
  text: z.string().nullish(),
  refusal: z.string().nullish(),
});
const content = z.union([z.string(), z.array(contentPart)]);
const inputItem = z.looseObject({
  type: z.string().optional(),
  id: z.string().nullish(),
  role: z.enum(['system', 'developer', 'user', 'assistant']).optional(),
  content: content.nullish(),
  call_id: z.string().optional(),
  name: z.string().optional(),
  arguments: z.string().optional(),
  output: content.optional(),
  encrypted_content: z.string().nullish(),
});
export const responsesInput = z.union([z.string(), z.array(inputItem).min(1)]);
type Input = z.infer<typeof responsesInput>;
type Item = z.infer<typeof inputItem>;

export function readInstructions(text: string): TurnMessage[] {
  return text === '' ? [] : [message('instructions', text)];
}

/** Items in order. Calls join what the assistant said before them; items of tools that the sandbox has not are left out. */
export function readInput(input: Input): TurnMessage[] {
  if (typeof input === 'string') return [message('user', input)];
  const messages: TurnMessage[] = [];
  for (const item of input) {
    if (item.type === 'function_call') {
      const asking = messages.at(-1)?.role === 'assistant' ? messages.pop() : undefined;
      const { toolCalls, ...said } = asking ?? message('assistant', '');
      messages.push({ ...said, toolCalls: [...toolCalls, readCall(item)] });
    } else if (item.type === 'function_call_output')
      messages.push({ ...message('tool', item.output ?? ''), toolCallId: item.call_id ?? null });
    else if (item.role !== undefined) messages.push(message(roleOf(item.role), item.content ?? ''));
  }
  return messages;
}

/** The first thing in the input that this provider did not give away, or not like this. */
export function findForeignItem(input: Input): WireError | undefined {
  if (typeof input === 'string') return undefined;
  for (const [index, item] of input.entries()) {
    if (item.type === 'item_reference')
      return {
        status: 404,
        code: null,
        param: 'input',
        message: `Item with id '${item.id ?? ''}' not found. Items are not persisted when \`store\` is set to false.`,
      };
    const sealed = item.type === 'reasoning' ? item.encrypted_content : undefined;
    if (typeof sealed === 'string' && !isOwnReasoning(sealed, item.id ?? undefined))
      return {
        status: 400,
        code: 'invalid_encrypted_content',
        param: null,
        message: `The encrypted content of input[${index}] could not be verified.`,
      };
  }
  return undefined;
}

function readCall(item: Item): TurnMessage['toolCalls'][number] {
  return { id: item.call_id ?? '', name: item.name ?? '', argumentsJson: item.arguments ?? '' };
}

function message(role: TurnMessage['role'], sent: z.infer<typeof content>): TurnMessage {
  const parts = typeof sent === 'string' ? [] : sent;
  const texts = parts.map((part) => part.text ?? part.refusal).filter((text) => typeof text === 'string');
  return {
    role,
    text: typeof sent === 'string' ? sent : texts.join('\n'),
    attachments: parts.length - texts.length,
    toolCalls: [],
    toolCallId: null,
  };
}

function roleOf(role: NonNullable<Item['role']>): TurnMessage['role'] {
  return role === 'system' || role === 'developer' ? 'instructions' : role;
}
