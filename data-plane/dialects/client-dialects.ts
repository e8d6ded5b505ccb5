import { chatClientCodec } from './chat/chat-codec.ts';
import { chatDialect } from './chat/chat-dialect.ts';
import { dropForeignThoughts, mayHoldForeignThoughts } from './chat/foreign-thoughts.ts';
import { providerChatBody } from './chat/provider-request.ts';
import { type ChatRequest, readChatRequest } from './chat/read-request.ts';
import type { ClientDialect } from './client-dialect.ts';
import { dropForeignReasoning, mayHoldForeignReasoning } from './messages/foreign-reasoning.ts';
import { MESSAGES_CLIENT } from './messages/messages-codec.ts';
import { messagesDialect } from './messages/messages-dialect.ts';
import { providerMessagesBody } from './messages/provider-request.ts';
import { type MessagesRequest, readMessagesRequest } from './messages/read-request.ts';
import { dropForeignItems, mayHoldForeignItems } from './responses/foreign-items.ts';
import { providerResponsesBody } from './responses/provider-request.ts';
import { type ResponsesRequest, readResponsesRequest } from './responses/read-request.ts';
import { isResponsesBody } from './responses/responses-body.ts';
import { responsesClient } from './responses/responses-codec.ts';
import { responsesDialect } from './responses/responses-dialect.ts';

/**
 * What Cursor posts to the chat endpoint: a Responses body, whose answer it reads as chat. No provider speaks that, so it is
 * always translated.
 */
const responsesOnChat: ClientDialect<ResponsesRequest> = {
  name: 'chat',
  errorShape: 'openai',
  keyPreference: 'bearer',
  effortParam: 'reasoning.effort',
  readRequest: readResponsesRequest,
  forwardProtocol: undefined,
  forwardPath: '/responses',
  forward: chatDialect,
  forwardBody: providerResponsesBody,
  hidesUsageChunk: () => false,
  mayHoldForeignState: () => false,
  withoutForeignState: () => undefined,
  codec: {
    decodeRequest: responsesClient.decodeRequest,
    createStreamEncoder: chatClientCodec.createStreamEncoder,
    encodeBody: chatClientCodec.encodeBody,
  },
};

export const chatClientDialect: ClientDialect<ChatRequest> = {
  name: 'chat',
  errorShape: 'openai',
  keyPreference: 'bearer',
  effortParam: 'reasoning_effort',
  readRequest: readChatRequest,
  dialectOfRefused: (body) => (isResponsesBody(body) ? responsesOnChat : undefined),
  forwardProtocol: 'chat',
  forwardPath: '/chat/completions',
  forward: chatDialect,
  forwardBody: providerChatBody,
  hidesUsageChunk: (request) => !request.wantsUsageChunk,
  mayHoldForeignState: (body, vendor, { hasProviderState }) =>
    hasProviderState && mayHoldForeignThoughts(body, vendor),
  withoutForeignState: dropForeignThoughts,
  codec: chatClientCodec,
};

export const messagesClientDialect: ClientDialect<MessagesRequest> = {
  name: 'messages',
  errorShape: 'anthropic',
  keyPreference: 'x-api-key',
  effortParam: 'output_config.effort',
  readRequest: readMessagesRequest,
  forwardProtocol: 'messages',
  forwardPath: '/v1/messages',
  forward: messagesDialect,
  forwardBody: providerMessagesBody,
  hidesUsageChunk: () => false,
  mayHoldForeignState: mayHoldForeignReasoning,
  withoutForeignState: dropForeignReasoning,
  codec: MESSAGES_CLIENT,
};

export const responsesClientDialect: ClientDialect<ResponsesRequest> = {
  name: 'responses',
  errorShape: 'openai',
  keyPreference: 'bearer',
  effortParam: 'reasoning.effort',
  readRequest: readResponsesRequest,
  forwardProtocol: 'responses',
  forwardPath: '/responses',
  forward: responsesDialect,
  forwardBody: providerResponsesBody,
  hidesUsageChunk: () => false,
  mayHoldForeignState: mayHoldForeignItems,
  withoutForeignState: dropForeignItems,
  codec: responsesClient,
};
