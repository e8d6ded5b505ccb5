import type { ForwardDialect } from '#data-plane/dialects/dialect.ts';
import { encodeMessagesStreamFault } from './faults.ts';
import { readProviderFault } from './provider-faults.ts';
import { MessagesAnswerReader } from './read-answer.ts';

/** Anthropic Messages, as spoken by clients and by the providers that offer it. */
export const messagesDialect: ForwardDialect = {
  createAnswerReader: () => new MessagesAnswerReader(),
  readProviderFault,
  encodeStreamFault: encodeMessagesStreamFault,
  endMarker: Buffer.alloc(0),
  keepAlive: Buffer.from('event: ping\ndata: {"type":"ping"}\n\n'),
};
