import { z } from 'zod';
import type { JsonSchema, ToolChoice, TurnMessage, TurnRequest } from '../turn.ts';
import { invalidRequest, type WireError } from '../wire-error.ts';
import { contentBlock, findUnknownThinking, readMessages, readSystem } from './read-content.ts';

/** What the wire cares about and the turn does not. */
export interface MessagesWriting {
  readonly longCache: boolean;
  /** False when the thinking is to come without its text. */
  readonly showThinking: boolean;
}

export interface MessagesRequest {
  readonly turn: TurnRequest;
  readonly stream: boolean;
  readonly writing: MessagesWriting;
}

const MIN_THINKING_TOKENS = 1024;
const MEDIUM_THINKING_TOKENS = 4096;
const HIGH_THINKING_TOKENS = 16_384;

const jsonObject = z.record(z.string(), z.json());
const cacheControl = z.looseObject({ type: z.string(), ttl: z.string().nullish() }).nullish();
const content = z.union([z.string(), z.array(contentBlock)]);
const promptFields = {
  model: z.string().min(1),
  messages: z.array(z.looseObject({ role: z.enum(['user', 'assistant', 'system']), content })).min(1),
  system: content.nullish(),
  tools: z
    .array(
      z.looseObject({
        type: z.string().nullish(),
        name: z.string().optional(),
        description: z.string().nullish(),
        input_schema: jsonObject.optional(),
        cache_control: cacheControl,
      }),
    )
    .nullish(),
  tool_choice: z
    .looseObject({
      type: z.enum(['auto', 'any', 'tool', 'none']),
      name: z.string().optional(),
      disable_parallel_tool_use: z.boolean().nullish(),
    })
    .nullish(),
  thinking: z
    .looseObject({
      type: z.enum(['enabled', 'disabled', 'adaptive', 'between_tools']),
      budget_tokens: z.int().min(MIN_THINKING_TOKENS).optional(),
      display: z.enum(['summarized', 'omitted']).nullish(),
    })
    .nullish(),
  output_config: z
    .looseObject({
      effort: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).nullish(),
      format: z.looseObject({ type: z.literal('json_schema'), schema: jsonObject }).nullish(),
    })
    .nullish(),
  cache_control: cacheControl,
};
const countSchema = z.looseObject(promptFields);
const requestSchema = z.looseObject({
  ...promptFields,
  max_tokens: z.int().min(1),
  stop_sequences: z.array(z.string()).nullish(),
  stream: z.boolean().nullish(),
});
type PromptBody = z.infer<typeof countSchema>;

/** Reads the body of `POST /messages`, or says what is wrong with it. */
export function readMessagesRequest(body: unknown): MessagesRequest | WireError {
  const parsed = requestSchema.safeParse(body);
  if (!parsed.success) return invalidRequest(parsed.error);
  const sent = parsed.data;
  const fault = findUnknownThinking(sent.messages) ?? findThinkingFault(sent, sent.max_tokens);
  if (fault !== undefined) return fault;
  return {
    turn: readPrompt(sent, sent.max_tokens, sent.stop_sequences ?? []),
    stream: sent.stream ?? false,
    writing: {
      longCache: JSON.stringify(body).includes('"ttl":"1h"'),
      showThinking: sent.thinking?.display !== 'omitted',
    },
  };
}

/** Reads the body of `POST /messages/count_tokens`. */
export function readCountRequest(body: unknown): TurnRequest | WireError {
  const parsed = countSchema.safeParse(body);
  return parsed.success ? readPrompt(parsed.data, null, []) : invalidRequest(parsed.error);
}

function readPrompt(
  sent: PromptBody,
  outputLimitTokens: number | null,
  stopSequences: readonly string[],
): TurnRequest {
  const format = sent.output_config?.format;
  const messages: TurnMessage[] = [...readSystem(sent.system ?? ''), ...readMessages(sent.messages)];
  return {
    model: sent.model,
    messages,
    tools: readTools(sent),
    toolChoice: readToolChoice(sent),
    parallelToolCalls: !(sent.tool_choice?.disable_parallel_tool_use ?? false),
    outputLimitTokens,
    stopSequences,
    answerCount: 1,
    format: format ? { kind: 'json_schema', schema: format.schema as JsonSchema } : { kind: 'text' },
    reasoningEffort: readEffort(sent),
    caching: isCacheMarked(sent) ? 'marked' : 'none',
  };
}

/** Anthropic's own tools come without a schema: the sandbox has none of them, so it never calls them. */
function readTools(sent: PromptBody): TurnRequest['tools'] {
  return (sent.tools ?? []).flatMap((tool) =>
    tool.name === undefined || tool.input_schema === undefined
      ? []
      : [
          {
            name: tool.name,
            description: tool.description ?? '',
            parameters: tool.input_schema as JsonSchema,
          },
        ],
  );
}

function readToolChoice({ tool_choice: choice }: PromptBody): ToolChoice {
  if (choice?.type === 'any') return 'required';
  if (choice?.type === 'tool') return { name: choice.name ?? '' };
  return choice?.type ?? 'auto';
}

function readEffort({ thinking, output_config: output }: PromptBody): string | null {
  if (thinking === undefined || thinking === null || thinking.type === 'disabled') return null;
  const budget = thinking.budget_tokens;
  if (budget === undefined) return output?.effort ?? 'medium';
  if (budget < MEDIUM_THINKING_TOKENS) return 'low';
  return budget < HIGH_THINKING_TOKENS ? 'medium' : 'high';
}

function findThinkingFault({ thinking, tool_choice }: PromptBody, maxTokens: number): WireError | undefined {
  if (thinking?.type !== 'enabled') return undefined;
  const fault = (param: string, message: string) => ({ status: 400, param, message: `${param}: ${message}` });
  if (thinking.budget_tokens === undefined) return fault('thinking.enabled.budget_tokens', 'Field required');
  if (thinking.budget_tokens >= maxTokens)
    return fault('max_tokens', '`max_tokens` must be greater than `thinking.budget_tokens`.');
  if (tool_choice?.type === 'any' || tool_choice?.type === 'tool')
    return fault('tool_choice', 'Thinking may not be enabled when tool_choice forces tool use.');
  return undefined;
}

function isCacheMarked(sent: PromptBody): boolean {
  const blocks = [sent.system, ...sent.messages.map((message) => message.content)].flatMap((part) =>
    Array.isArray(part) ? part : [],
  );
  return [sent, ...(sent.tools ?? []), ...blocks].some(
    (part) => part.cache_control !== undefined && part.cache_control !== null,
  );
}
