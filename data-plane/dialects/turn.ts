import type { TokenUsage } from '#shared/token-usage.ts';
import type { ProviderProtocol } from '#shared/usage-record.ts';

/**
 * The canonical turn: what a request asks and an answer says, in the words of no dialect. It is a superset: what only one
 * dialect knows rides along as a `native` part or in `extras`, and each encoder says what it had to leave out.
 */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [name: string]: JsonValue };
export type JsonObject = { [name: string]: JsonValue };

/** What the client can be told about: `at` is its own path of it, e.g. `messages[2].content[0]`. */
interface Placed {
  readonly at?: string;
}

/** A prompt-cache breakpoint that the client set. Never invented by us. */
export interface CacheMark extends Placed {
  readonly ttl: '5m' | '1h';
}

/**
 * A provider's opaque reasoning state, bound to its issuer: a thinking signature, redacted thinking, an encrypted reasoning
 * item, a Gemini thought signature. Only the same family gets it back, byte for byte.
 */
export interface ProviderSignature {
  /** Protocol family that issued it; `foreign` once it is known that the provider that is asked did not. */
  readonly family: ProviderProtocol | 'foreign';
  /** Vendor that issued it and alone can read it; absent where a client of the protocol itself keeps it. */
  readonly issuer?: string;
  /** What it is in that protocol, e.g. `thinking`, `redacted`, `encrypted`, `thought`; for `responses` also carries ids. */
  readonly kind: string;
  readonly value: string;
}

export type MediaKind = 'image' | 'audio' | 'video' | 'document';

export type MediaSource =
  | { readonly kind: 'base64'; readonly data: string; readonly mediaType: string }
  | { readonly kind: 'url'; readonly url: string; readonly mediaType?: string }
  /** Plain text given as a document. */
  | { readonly kind: 'text'; readonly text: string }
  /** A file that only its issuing provider can resolve. */
  | { readonly kind: 'file_id'; readonly id: string; readonly family: ProviderProtocol };

export interface MediaPart extends Placed {
  readonly kind: 'media';
  readonly media: MediaKind;
  readonly source: MediaSource;
  readonly filename?: string;
  readonly title?: string;
  /** OpenAI's image detail: low, high, auto, … */
  readonly detail?: string;
  readonly cache?: CacheMark;
}

export type Part = Placed &
  (
    | {
        readonly kind: 'text';
        readonly text: string;
        readonly cache?: CacheMark;
        /** What an assistant's text is in a longer run (Responses): commentary, final_answer. */
        readonly phase?: string;
        /** The client's path of `phase`. */
        readonly phaseAt?: string;
      }
    | MediaPart
    | {
        readonly kind: 'reasoning';
        /** Visible thought; may be empty beside a signature. */
        readonly text: string;
        /** True when `text` is the provider's summary rather than the thought itself. */
        readonly summary?: boolean;
        readonly signature?: ProviderSignature;
      }
    | {
        readonly kind: 'tool_call';
        readonly id: string;
        readonly name: string;
        /** JSON text as the model wrote it; `""` means `{}`. For `custom` tools the free text. */
        readonly argumentsJson: string;
        readonly custom?: boolean;
        /** Written in the form from before tools, in which calls have no ids. */
        readonly legacy?: boolean;
        readonly namespace?: string;
        readonly signature?: ProviderSignature;
        readonly cache?: CacheMark;
      }
    | {
        readonly kind: 'tool_result';
        readonly callId: string;
        /** Name of the tool, where the client says it (Gemini needs it; decoders fill it in from the call when they can). */
        readonly name?: string;
        readonly content: readonly Part[];
        readonly failed: boolean;
        readonly custom?: boolean;
        readonly cache?: CacheMark;
      }
    | { readonly kind: 'refusal'; readonly text: string }
    /** A block that only `family` can read (server-tool results, citations blocks, compaction items, …). */
    | { readonly kind: 'native'; readonly family: ProviderProtocol; readonly value: JsonObject }
  );

export interface TurnMessage extends Placed {
  readonly role: 'user' | 'assistant' | 'system' | 'developer';
  readonly parts: readonly Part[];
  readonly name?: string;
}

/** The group that a tool is declared in (Responses `namespace`); the tool's own `name` says both. */
export interface ToolNamespace extends Placed {
  readonly name: string;
  readonly description?: string;
  /** Name of the tool inside its namespace. */
  readonly toolName: string;
}

export interface FunctionTool extends Placed {
  readonly kind: 'function';
  readonly name: string;
  readonly namespace?: ToolNamespace;
  readonly description?: string;
  /** JSON Schema; absent means no parameters. */
  readonly parameters?: JsonObject;
  readonly strict?: boolean;
  readonly cache?: CacheMark;
}

export type Tool = Placed &
  (
    | FunctionTool
    /** A free-text tool (Responses `custom`); emulated elsewhere as a function with one string parameter `input`. */
    | {
        readonly kind: 'custom';
        readonly name: string;
        readonly namespace?: ToolNamespace;
        readonly description?: string;
        readonly format?: JsonObject;
      }
    /** A tool that the provider runs itself, known only to `family`; `type` is its name there (web_search, …). */
    | {
        readonly kind: 'server';
        readonly family: ProviderProtocol;
        readonly type: string;
        readonly value: JsonObject;
      }
  );

export type ToolChoice =
  | { readonly kind: 'auto' | 'none' | 'required' }
  | { readonly kind: 'tool'; readonly name: string; readonly custom?: boolean };

export type OutputFormat =
  | { readonly kind: 'text' }
  | { readonly kind: 'json_object' }
  | {
      readonly kind: 'json_schema';
      readonly name?: string;
      readonly description?: string;
      readonly schema: JsonObject;
      readonly strict?: boolean;
    };

export interface ReasoningRequest {
  /** none, minimal, low, medium, high, xhigh, max. */
  readonly effort?: string;
  /** Thinking budget in tokens. */
  readonly budgetTokens?: number;
  /** On, off, or left to the model. */
  readonly mode?: 'enabled' | 'disabled' | 'adaptive';
  /** auto, concise, detailed: whether thoughts are shown. */
  readonly summary?: string;
}

/** How the client names what it asked for, so that every loss is reported in the client's own words. */
export interface ClientNames {
  /** Paths of the fields in this body that ask for a feature (see `turn-feature.ts`) of the whole request; none where no field does. */
  ofRequest(feature: string): readonly string[];
  /** What follows the path of a message, part or tool where the client writes this feature of it. */
  within(feature: string): string;
}

export interface TurnRequest {
  readonly stream: boolean;
  /** System and developer prompts that precede the conversation, then the conversation in order. */
  readonly messages: readonly TurnMessage[];
  readonly tools: readonly Tool[];
  readonly toolChoice?: ToolChoice;
  /** False: at most one call per turn. */
  readonly parallelToolCalls?: boolean;
  readonly maxOutputTokens?: number;
  readonly stopSequences?: readonly string[];
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly seed?: number;
  readonly choiceCount?: number;
  /** Asked for log probabilities, with so many alternatives. */
  readonly logprobs?: { readonly top: number };
  readonly format?: OutputFormat;
  readonly verbosity?: string;
  readonly reasoning?: ReasoningRequest;
  readonly serviceTier?: string;
  readonly endUser?: string;
  readonly metadata?: JsonObject;
  readonly promptCacheKey?: string;
  /** Request fields that the turn does not model, by their path in the client's body. */
  readonly extras: Readonly<Record<string, JsonValue>>;
  /** How the client names the rest; absent in turns that no client sent. */
  readonly names?: ClientNames;
}

export type FinishReason =
  | 'stop'
  | 'length'
  | 'tool_calls'
  | 'stop_sequence'
  | 'content_filter'
  | 'refusal'
  | 'pause'
  | 'context_exceeded';

/** Usage as the provider stated it. */
export type TurnUsage = TokenUsage;
