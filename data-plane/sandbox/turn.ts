/**
 * What is asked and what is answered, free of any wire format: a protocol folder reads its own request into a
 * {@link TurnRequest} and writes a {@link Turn} in its own frames, so that a further protocol adds a folder and nothing
 * else.
 */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: JsonValue | undefined;
}
export type JsonSchema = boolean | JsonObject;

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly argumentsJson: string;
}

export interface TurnMessage {
  readonly role: 'instructions' | 'user' | 'assistant' | 'tool';
  readonly text: string;
  /** Images, sound and files beside the text. */
  readonly attachments: number;
  readonly toolCalls: readonly ToolCall[];
  /** Of a tool message: the call that it answers. */
  readonly toolCallId: string | null;
}

export interface OfferedTool {
  readonly name: string;
  readonly description: string;
  readonly parameters: JsonSchema;
}

export type ToolChoice = 'none' | 'auto' | 'required' | { readonly name: string };

export type OutputFormat =
  | { readonly kind: 'text' }
  | { readonly kind: 'json' }
  | { readonly kind: 'json_schema'; readonly schema: JsonSchema };

export interface TurnRequest {
  readonly model: string;
  readonly messages: readonly TurnMessage[];
  readonly tools: readonly OfferedTool[];
  readonly toolChoice: ToolChoice;
  readonly parallelToolCalls: boolean;
  /** Bound on visible and reasoning tokens of one answer together; `null` for none. */
  readonly outputLimitTokens: number | null;
  readonly stopSequences: readonly string[];
  readonly answerCount: number;
  readonly format: OutputFormat;
  readonly reasoningEffort: string | null;
  /** `automatic` at providers that cache by themselves; elsewhere what the request marks, or `none`. */
  readonly caching: 'automatic' | 'marked' | 'none';
}

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter';

export interface AnsweredCall {
  readonly id: string;
  readonly name: string;
  readonly argumentTokens: readonly string[];
}

/** One answer. Text and arguments are token lists: joined they are the whole, one by one they are the stream. */
export interface Answer {
  /** What is shown of the reasoning; empty when there was none. */
  readonly thoughtTokens: readonly string[];
  /** True when the reasoning may only be handed over unreadable. */
  readonly thoughtHidden: boolean;
  readonly textTokens: readonly string[];
  /** True when `textTokens` are a refusal rather than content. */
  readonly refused: boolean;
  readonly toolCalls: readonly AnsweredCall[];
  readonly finish: FinishReason;
  /** The stop sequence at which the text was cut. */
  readonly stoppedBy: string | null;
}

export interface TurnUsage {
  /** All prompt tokens, cached ones included. */
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** Put into the cache by this request; only where caching is marked. */
  readonly cacheWriteTokens: number;
  /** All output tokens, reasoning included. */
  readonly outputTokens: number;
  readonly reasoningTokens: number;
}

export interface Turn {
  readonly answers: readonly Answer[];
  readonly usage: TurnUsage;
}

/** The text of the last message of the user, trimmed; empty when there is none. */
export function lastUserText(request: TurnRequest): string {
  return request.messages.findLast((message) => message.role === 'user')?.text.trim() ?? '';
}

/** Tokens of reasoning behind each answer of a turn. */
export function reasoningPerAnswer(turn: Turn): number {
  return turn.usage.reasoningTokens / Math.max(1, turn.answers.length);
}
