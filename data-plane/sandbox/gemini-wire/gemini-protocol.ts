import { isWireError, type WireError } from '../wire-error.ts';
import { type RequestTarget, sseFrame, type WireProtocol, type WireRequest } from '../wire-protocol.ts';
import {
  encodeGeminiBody,
  encodeGeminiChunks,
  encodeGeminiCount,
  type GeminiChunk,
  newGeminiResponse,
} from './encode-response.ts';
import { encodeGeminiError } from './gemini-error.ts';
import { readCountTokensRequest, readGenerateContentRequest } from './read-request.ts';

const METHOD_PATH =
  /^\/v1beta\/models\/(?<model>[\w.@-]+):(?<method>generateContent|streamGenerateContent|countTokens)$/;

/** True for the path of a method that the sandbox answers. */
export function isGeminiMethod(path: string): boolean {
  return METHOD_PATH.test(path);
}

/** Google's Gemini API: generating, streaming and counting tokens. */
export const geminiProtocol: WireProtocol = {
  read: readGeminiRequest,
  encodeError: encodeGeminiError,
  encodeErrorFrame: (error) => crlfFrame(JSON.stringify(JSON.parse(encodeGeminiError(error)))),
  streamTrailer: '',
};

function readGeminiRequest(body: unknown, target: RequestTarget): WireRequest | WireError {
  const { model = '', method } = METHOD_PATH.exec(target.path)?.groups ?? {};
  if (method === 'countTokens') {
    const turn = readCountTokensRequest(model, body);
    return isWireError(turn) ? turn : { kind: 'count', turn, encodeCount: encodeGeminiCount };
  }
  const request = readGenerateContentRequest(model, body);
  if (isWireError(request)) return request;
  const isStream = method === 'streamGenerateContent';
  return {
    kind: 'generation',
    turn: request.turn,
    // Without `alt=sse` the chunks come as one JSON list.
    stream: isStream && target.query.get('alt') === 'sse',
    encodeBody: (turn) => {
      const response = newGeminiResponse(model, turn, request.showThoughts);
      if (!isStream) return encodeGeminiBody(response);
      return JSON.stringify([...encodeGeminiChunks(response)].map(({ chunk }) => chunk));
    },
    encodeEvents: (turn) => frames(encodeGeminiChunks(newGeminiResponse(model, turn, request.showThoughts))),
  };
}

function* frames(chunks: Iterable<GeminiChunk>) {
  for (const { chunk, tokensSoFar } of chunks) yield { frame: crlfFrame(JSON.stringify(chunk)), tokensSoFar };
}

/** Google ends its lines as HTTP does. */
function crlfFrame(data: string): string {
  return sseFrame(data).replaceAll('\n', '\r\n');
}
