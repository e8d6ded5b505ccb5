import { BLOCK_TOKENS, MIN_CACHED_TOKENS } from './prompt-cache.ts';
import { countTokens } from './tokenize.ts';
import type { TurnRequest } from './turn.ts';

/** What a provider's chat template adds to a prompt, per message and once. */
const MESSAGE_OVERHEAD_TOKENS = 4;
const PROMPT_OVERHEAD_TOKENS = 3;
const ATTACHMENT_TOKENS = 85;

/** The prompt as one text, and how many tokens it is billed as. */
export function countPrompt(request: TurnRequest): { readonly text: string; readonly tokens: number } {
  const text = promptText(request);
  const attachments = request.messages.reduce((sum, message) => sum + message.attachments, 0);
  const tokens =
    countTokens(text) +
    request.messages.length * MESSAGE_OVERHEAD_TOKENS +
    attachments * ATTACHMENT_TOKENS +
    PROMPT_OVERHEAD_TOKENS;
  return { text, tokens };
}

/** How much of a marked prompt goes to the cache. */
export function cacheableTokens(promptTokens: number): number {
  const whole = Math.floor(promptTokens / BLOCK_TOKENS) * BLOCK_TOKENS;
  return whole < MIN_CACHED_TOKENS ? 0 : whole;
}

/** Tools first, then the messages in order, so that a longer conversation begins with the shorter one. */
function promptText(request: TurnRequest): string {
  const tools = request.tools.map(
    (tool) => `${tool.name} ${tool.description} ${JSON.stringify(tool.parameters)}`,
  );
  const messages = request.messages.map(
    (message) => `${message.text}${message.toolCalls.map((call) => call.name + call.argumentsJson).join('')}`,
  );
  return [...tools, ...messages].join('\n');
}
