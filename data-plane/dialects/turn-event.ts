import type { Fault } from '#shared/fault.ts';
import type { ProviderProtocol } from '#shared/usage-record.ts';
import type { Citation } from './citation.ts';
import type { FinishReason, JsonObject, ProviderSignature, TurnUsage } from './turn.ts';

/**
 * An answer as it arrives, streamed or whole: a decoder emits these synchronously, an encoder writes them. Parts are
 * numbered from 0 in the order they start; a part ends before the next of the same choice starts, except tool calls, which
 * may interleave. A body that was not streamed is decoded into the same events, one delta per part.
 */
export type TurnEvent =
  | { readonly kind: 'turn_start'; readonly upstreamId: string }
  | {
      readonly kind: 'part_start';
      readonly index: number;
      readonly part: 'text' | 'reasoning' | 'refusal';
      /** Index of the choice (`n` > 1), 0 otherwise. */
      readonly choice: number;
      /** Reasoning whose text is a summary. */
      readonly summary?: boolean;
      /** Id of the provider's reasoning item, where the item can only be returned under it (Responses). */
      readonly itemId?: string;
      /** Text that is commentary or the final answer in a longer run (Responses). */
      readonly phase?: string;
    }
  | {
      readonly kind: 'part_start';
      readonly index: number;
      readonly part: 'tool_call';
      readonly choice: number;
      readonly callId: string;
      readonly name: string;
      readonly custom?: boolean;
      readonly namespace?: string;
      /** Rides behind the call's id in client dialects, so it must be known when the call starts. */
      readonly signature?: ProviderSignature;
    }
  /** Text, thought, refusal, or a piece of a call's arguments. */
  | {
      readonly kind: 'part_delta';
      readonly index: number;
      readonly text: string;
      readonly logprobs?: readonly JsonObject[];
    }
  /** Arrives before the part's end; a reasoning part may hold nothing else. */
  | { readonly kind: 'part_signature'; readonly index: number; readonly signature: ProviderSignature }
  /** A citation that belongs to the text part `index`. */
  | ({ readonly kind: 'part_citation'; readonly index: number } & Citation)
  | { readonly kind: 'part_end'; readonly index: number }
  /** A block that only `family` knows; other dialects leave it out and say so. */
  | {
      readonly kind: 'native_part';
      readonly index: number;
      readonly choice: number;
      readonly family: ProviderProtocol;
      readonly value: JsonObject;
    }
  /** Cumulative; the last one wins. */
  | { readonly kind: 'usage'; readonly usage: TurnUsage }
  | {
      readonly kind: 'choice_end';
      readonly choice: number;
      readonly reason: FinishReason;
      /** The stop sequence that matched, where the provider tells. */
      readonly stopSequence?: string;
    }
  /** The answer is complete. Always last, exactly once, unless `turn_fault` came. */
  | { readonly kind: 'turn_end' }
  | { readonly kind: 'turn_fault'; readonly fault: Fault };

export type EmitTurnEvent = (event: TurnEvent) => void;
