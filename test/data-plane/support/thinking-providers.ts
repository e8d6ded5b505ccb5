import type { ProviderProtocol } from '#shared/usage-record.ts';
import type { ProviderScript } from './scripted-provider.ts';
import { thinkingChat } from './thinking-chat.ts';
import { thinkingGemini } from './thinking-gemini.ts';
import { thinkingMessages } from './thinking-messages.ts';
import { thinkingResponses } from './thinking-responses.ts';
import type { LoopStep, ThinkingProvider } from './thinking-step.ts';

export const thinkingProviders: Readonly<Record<ProviderProtocol, ThinkingProvider>> = {
  chat: thinkingChat,
  responses: thinkingResponses,
  messages: thinkingMessages,
  gemini: thinkingGemini,
};

/** Answers with a step, streamed where the request asks for it. */
export function answersStep(step: LoopStep): ProviderScript {
  return (response, request) => {
    const isStream = request.url.includes(':stream') || JSON.parse(request.body.toString()).stream === true;
    if (!isStream) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(step.whole));
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(framesOf(step).join(''));
  };
}

/** The events of a step as they stand in its stream. */
export function framesOf(step: LoopStep): string[] {
  return step.stream.map(({ event, data }) => {
    const text = typeof data === 'string' ? data : JSON.stringify(data);
    return `${event === undefined ? '' : `event: ${event}\n`}data: ${text}\n\n`;
  });
}
