/** What the mock provider does with one request. Every field is optional: without any it answers well, after 5 ms. */
export interface MockScript {
  /** Silence before the first byte, ms. */
  readonly latencyMs?: number;
  /** Content chunks of a stream; a plain answer holds the same text in one piece. */
  readonly chunks?: number;
  readonly chunkDelayMs?: number;
  /** Cuts what is written into pieces of so many bytes, each in a write of its own. */
  readonly writeBytes?: number;
  /** Put before the generated text. */
  readonly text?: string;
  /** Token counts to state; the ones left out are drawn at random. */
  readonly usage?: Partial<MockUsage>;
  readonly omitUsage?: boolean;
  readonly omitDone?: boolean;
  readonly finishReason?: string;
  readonly toolCalls?: readonly { readonly name: string; readonly argumentsJson: string }[];
  /** Anything but 200 answers with `errorBody` (by default OpenAI's shape) instead of a completion. */
  readonly status?: number;
  readonly errorBody?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly fault?: MockFault;
}

/**
 * What goes wrong after so many content chunks (of a plain answer: any number means in the middle of the body).
 * `stall` goes silent, `reset` breaks the connection, `end` closes it cleanly but too early, `garbage` sends a frame that
 * is no JSON, `error_event` sends an error inside the 200, then `[DONE]`.
 */
export interface MockFault {
  readonly kind: 'stall' | 'reset' | 'end' | 'garbage' | 'error_event';
  readonly afterChunks: number;
}

export interface MockUsage {
  /** All prompt tokens, cached ones included. */
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** All output tokens, reasoning included. */
  readonly completionTokens: number;
  readonly reasoningTokens: number;
}

const MARK = 'mock:';

/**
 * A request can carry its own script, so that tests which share a provider do not disturb one another: the last user
 * message is `mock:` and the script as JSON. Any gateway passes a message on unchanged.
 */
export function scriptInMessage(script: MockScript): string {
  return MARK + JSON.stringify(script);
}

/** The script inside a request body, if its last user message holds one. */
export function readMessageScript(body: unknown): MockScript | undefined {
  const messages = (body as { messages?: unknown } | null)?.messages;
  if (!Array.isArray(messages)) return undefined;
  const last: unknown = messages.findLast((message: { role?: unknown } | null) => message?.role === 'user');
  const content = (last as { content?: unknown } | undefined)?.content;
  if (typeof content !== 'string' || !content.startsWith(MARK)) return undefined;
  try {
    return JSON.parse(content.slice(MARK.length)) as MockScript;
  } catch {
    return undefined;
  }
}
