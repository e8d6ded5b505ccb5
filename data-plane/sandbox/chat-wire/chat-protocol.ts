import { isWireError } from '../wire-error.ts';
import { sseFrame, type WireProtocol } from '../wire-protocol.ts';
import { encodeChatError } from './chat-error.ts';
import { encodeChatBody, encodeChatEvents, newEnvelope } from './encode-chat-answer.ts';
import { readChatRequest } from './read-chat-request.ts';

/** OpenAI Chat Completions. */
export const chatProtocol: WireProtocol = {
  read(body) {
    const request = readChatRequest(body);
    if (isWireError(request)) return request;
    const { turn, writing } = request;
    return {
      kind: 'generation',
      turn,
      stream: writing.stream,
      encodeBody: (answer, nowMs) => encodeChatBody(answer, newEnvelope(turn.model, nowMs), writing),
      encodeEvents: (answer, nowMs) => encodeChatEvents(answer, newEnvelope(turn.model, nowMs), writing),
    };
  },
  encodeError: encodeChatError,
  encodeErrorFrame: (error) => sseFrame(encodeChatError(error)),
  streamTrailer: sseFrame('[DONE]'),
};
