import { isWireError } from '../wire-error.ts';
import type { WireProtocol } from '../wire-protocol.ts';
import {
  encodeResponseBody,
  encodeResponseEvents,
  encodeResponseFailure,
  encodeStreamError,
  newResponse,
} from './encode-response.ts';
import { readResponsesRequest } from './read-responses-request.ts';
import { encodeResponsesError } from './responses-error.ts';

/** OpenAI Responses. */
export const responsesProtocol: WireProtocol = {
  read(body) {
    const request = readResponsesRequest(body);
    if (isWireError(request)) return request;
    const { turn, stream, writing } = request;
    const envelope = newResponse(turn.model, writing);
    return {
      kind: 'generation',
      turn,
      stream,
      encodeBody: (answer, nowMs) => encodeResponseBody(answer, envelope, nowMs),
      encodeEvents: (answer, nowMs) => encodeResponseEvents(answer, envelope, nowMs),
      encodeFailure: (error, nowMs, eventsSent) => encodeResponseFailure(error, envelope, nowMs, eventsSent),
    };
  },
  encodeError: encodeResponsesError,
  encodeErrorFrame: (error) => encodeStreamError(error, 0),
  streamTrailer: '',
};
