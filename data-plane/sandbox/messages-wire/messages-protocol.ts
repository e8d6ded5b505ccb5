import { isWireError } from '../wire-error.ts';
import { sseFrame, type WireProtocol } from '../wire-protocol.ts';
import { encodeMessageBody, encodeMessageEvents, newMessage } from './encode-message.ts';
import { encodeMessagesError } from './messages-error.ts';
import { readCountRequest, readMessagesRequest } from './read-messages-request.ts';

/** Anthropic Messages and its counting of tokens. */
export const messagesProtocol: WireProtocol = {
  read(body, target) {
    if (target.path.endsWith('/count_tokens')) {
      const turn = readCountRequest(body);
      if (isWireError(turn)) return turn;
      return {
        kind: 'count',
        turn,
        encodeCount: (promptTokens) => JSON.stringify({ input_tokens: promptTokens }),
      };
    }
    const request = readMessagesRequest(body);
    if (isWireError(request)) return request;
    const { turn, stream, writing } = request;
    return {
      kind: 'generation',
      turn,
      stream,
      encodeBody: (answer) => encodeMessageBody(newMessage(turn.model, answer, writing)),
      encodeEvents: (answer) => encodeMessageEvents(newMessage(turn.model, answer, writing)),
    };
  },
  encodeError: encodeMessagesError,
  encodeErrorFrame: (error) => sseFrame(encodeMessagesError(error), 'error'),
  streamTrailer: '',
};
