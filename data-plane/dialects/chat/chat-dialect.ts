import type { ForwardDialect } from '#data-plane/dialects/dialect.ts';
import { encodeChatStreamFault } from './faults.ts';
import { readProviderFault } from './provider-faults.ts';
import { ChatAnswerReader } from './read-answer.ts';

/** OpenAI Chat Completions, as spoken by clients and by the providers of its family. */
export const chatDialect: ForwardDialect = {
  createAnswerReader: () => new ChatAnswerReader(),
  readProviderFault,
  encodeStreamFault: encodeChatStreamFault,
  endMarker: Buffer.from('data: [DONE]\n\n'),
  keepAlive: Buffer.from(': keep-alive\n\n'),
};
