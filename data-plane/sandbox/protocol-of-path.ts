import { chatProtocol } from './chat-wire/chat-protocol.ts';
import { geminiProtocol, isGeminiMethod } from './gemini-wire/gemini-protocol.ts';
import { messagesProtocol } from './messages-wire/messages-protocol.ts';
import { responsesProtocol } from './responses-wire/responses-protocol.ts';
import type { WireProtocol } from './wire-protocol.ts';

interface ProtocolRoute {
  readonly protocol: WireProtocol;
  /** False for a path that the protocol has not; its error still speaks the protocol's language. */
  readonly answers: boolean;
}

/** Which protocol a path speaks. */
export function chooseProtocol(path: string): ProtocolRoute {
  if (path === '/v1/messages' || path.startsWith('/v1/messages/'))
    return {
      protocol: messagesProtocol,
      answers: path === '/v1/messages' || path === '/v1/messages/count_tokens',
    };
  if (path.startsWith('/v1beta/')) return { protocol: geminiProtocol, answers: isGeminiMethod(path) };
  if (path === '/v1/responses' || path.startsWith('/v1/responses/'))
    return { protocol: responsesProtocol, answers: path === '/v1/responses' };
  return { protocol: chatProtocol, answers: path === '/v1/chat/completions' };
}
