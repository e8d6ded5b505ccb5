import { z } from 'zod';
import type { JsonSchema, OutputFormat, ToolChoice, TurnMessage, TurnRequest } from '../turn.ts';
import { invalidRequest, type WireError } from '../wire-error.ts';

/** How the answer is to be written: what the wire cares about and the turn does not. */
export interface ChatWriting {
  readonly model: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** Alternatives per token; `null` when log probabilities were not asked for. */
  readonly topLogprobs: number | null;
}

export interface ChatRequest {
  readonly turn: TurnRequest;
  readonly writing: ChatWriting;
}

const MAX_ANSWERS = 128;
const jsonSchema = z.union([z.boolean(), z.record(z.string(), z.json())]);

const contentPart = z.looseObject({
  type: z.string(),
  // Agents' histories spell out what a part has not.
  text: z.string().nullish(),
  refusal: z.string().nullish(),
});
const message = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
  content: z.union([z.string(), z.array(contentPart)]).nullish(),
  tool_call_id: z.string().nullish(),
  tool_calls: z
    .array(
      z.looseObject({
        id: z.string(),
        function: z.looseObject({ name: z.string(), arguments: z.string() }).optional(),
      }),
    )
    .nullish(),
});
const functionTool = z.looseObject({
  name: z.string(),
  description: z.string().nullish(),
  parameters: jsonSchema.nullish(),
});
const requestSchema = z.looseObject({
  model: z.string().min(1),
  messages: z.array(message).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  max_tokens: z.int().min(1).nullish(),
  n: z.int().min(1).max(MAX_ANSWERS).nullish(),
  stop: z.union([z.string(), z.array(z.string())]).nullish(),
  tools: z.array(z.looseObject({ type: z.string(), function: functionTool.optional() })).nullish(),
  tool_choice: z
    .union([
      z.enum(['none', 'auto', 'required']),
      z.looseObject({ function: z.looseObject({ name: z.string() }).optional() }),
    ])
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  response_format: z
    .looseObject({
      type: z.enum(['text', 'json_object', 'json_schema']),
      json_schema: z.looseObject({ schema: jsonSchema.nullish() }).optional(),
    })
    .nullish(),
  reasoning_effort: z.string().nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
});
type ChatBody = z.infer<typeof requestSchema>;

/** Reads the body of `POST /chat/completions`, or says what is wrong with it in the words of the protocol. */
export function readChatRequest(body: unknown): ChatRequest | WireError {
  const parsed = requestSchema.safeParse(body);
  if (!parsed.success) return invalidRequest(parsed.error);
  const chat = parsed.data;
  return {
    turn: {
      model: chat.model,
      messages: chat.messages.map(readMessage),
      tools: readTools(chat),
      toolChoice: readToolChoice(chat),
      parallelToolCalls: chat.parallel_tool_calls ?? true,
      outputLimitTokens: chat.max_completion_tokens ?? chat.max_tokens ?? null,
      stopSequences: typeof chat.stop === 'string' ? [chat.stop] : (chat.stop ?? []),
      answerCount: chat.n ?? 1,
      format: readFormat(chat),
      reasoningEffort: chat.reasoning_effort ?? null,
      caching: 'automatic',
    },
    writing: {
      model: chat.model,
      stream: chat.stream ?? false,
      includeUsage: chat.stream_options?.include_usage ?? false,
      topLogprobs: chat.logprobs ? (chat.top_logprobs ?? 0) : null,
    },
  };
}

function readMessage(sent: ChatBody['messages'][number]): TurnMessage {
  const parts = typeof sent.content === 'string' ? [] : (sent.content ?? []);
  const texts = parts.map((part) => part.text ?? part.refusal).filter((text) => typeof text === 'string');
  return {
    role: roleOf(sent.role),
    text: typeof sent.content === 'string' ? sent.content : texts.join('\n'),
    attachments: parts.length - texts.length,
    toolCalls: (sent.tool_calls ?? []).map((call) => ({
      id: call.id,
      name: call.function?.name ?? '',
      argumentsJson: call.function?.arguments ?? '',
    })),
    toolCallId: sent.tool_call_id ?? null,
  };
}

function roleOf(role: ChatBody['messages'][number]['role']): TurnMessage['role'] {
  if (role === 'system' || role === 'developer') return 'instructions';
  return role === 'function' ? 'tool' : role;
}

function readTools(chat: ChatBody): TurnRequest['tools'] {
  return (chat.tools ?? []).flatMap((tool) =>
    tool.function === undefined
      ? []
      : [
          {
            name: tool.function.name,
            description: tool.function.description ?? '',
            parameters: (tool.function.parameters ?? { type: 'object', properties: {} }) as JsonSchema,
          },
        ],
  );
}

function readToolChoice(chat: ChatBody): ToolChoice {
  const choice = chat.tool_choice ?? 'auto';
  if (typeof choice === 'string') return choice;
  return choice.function === undefined ? 'required' : { name: choice.function.name };
}

function readFormat(chat: ChatBody): OutputFormat {
  switch (chat.response_format?.type) {
    case 'json_object':
      return { kind: 'json' };
    case 'json_schema':
      return { kind: 'json_schema', schema: (chat.response_format.json_schema?.schema ?? {}) as JsonSchema };
    default:
      return { kind: 'text' };
  }
}
