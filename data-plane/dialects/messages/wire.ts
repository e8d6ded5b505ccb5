import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';

/** The events of a Messages stream as we write them; every field that the published schema wants is there. */
export type MessagesEvent =
  | { readonly type: 'message_start'; readonly message: MessageBody }
  | { readonly type: 'content_block_start'; readonly index: number; readonly content_block: JsonObject }
  | { readonly type: 'content_block_delta'; readonly index: number; readonly delta: BlockDelta }
  | { readonly type: 'content_block_stop'; readonly index: number }
  | { readonly type: 'message_delta'; readonly delta: MessageEnd; readonly usage: JsonObject }
  | { readonly type: 'message_stop' };

export type BlockDelta =
  | { readonly type: 'text_delta'; readonly text: string }
  | { readonly type: 'thinking_delta'; readonly thinking: string }
  | { readonly type: 'signature_delta'; readonly signature: string }
  | { readonly type: 'input_json_delta'; readonly partial_json: string }
  | { readonly type: 'citations_delta'; readonly citation: JsonObject };

export interface MessageEnd {
  readonly container: null;
  readonly stop_details: JsonObject | null;
  readonly stop_reason: string | null;
  readonly stop_sequence: string | null;
}

export interface MessageBody extends MessageEnd {
  readonly id: string;
  readonly type: 'message';
  readonly role: 'assistant';
  readonly model: string;
  readonly content: JsonValue[];
  readonly diagnostics: null;
  readonly usage: JsonObject;
}
