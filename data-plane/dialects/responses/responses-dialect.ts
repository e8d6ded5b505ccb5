import type { ForwardDialect } from '#data-plane/dialects/dialect.ts';
import { readProviderFault, streamError } from './faults.ts';
import { ResponsesAnswerReader } from './read-answer.ts';

/**
 * OpenAI Responses, as spoken by clients and by the providers that offer it. The last event of ours is the end marker that
 * Open Responses asks for; a provider's own is not waited for.
 */
export const responsesDialect: ForwardDialect = {
  createAnswerReader: () => new ResponsesAnswerReader(),
  readProviderFault,
  encodeStreamFault: (fault, _requestId, sequenceNumber = 0) => {
    const payload = { type: 'error', sequence_number: sequenceNumber, ...streamError(fault) };
    return Buffer.from(`event: error\ndata: ${JSON.stringify(payload)}\n\n`);
  },
  endMarker: Buffer.from('data: [DONE]\n\n'),
  keepAlive: Buffer.from(': keep-alive\n\n'),
};
