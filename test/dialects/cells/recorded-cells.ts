import {
  chatClientDialect,
  messagesClientDialect,
  responsesClientDialect,
} from '#data-plane/dialects/client-dialects.ts';
import type { AnswerIdentity, ClientCodec } from '#data-plane/dialects/codec.ts';
import { providerCodecs } from '#data-plane/dialects/provider-codecs.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import type { Dialect, ProviderProtocol } from '#shared/usage-record.ts';
import { playBody, playStream, type Recording, recordingsOf } from '#test/dialects/provider-recordings.ts';
import { clientsAnswered, type OfficialClients } from './official-clients.ts';
import { readChatBody, readChatStream } from './read-chat.ts';
import { readGemini } from './read-gemini.ts';
import { readMessagesBody, readMessagesStream } from './read-messages.ts';
import { readResponsesBody, readResponsesHelper, readResponsesStream } from './read-responses.ts';
import type { ToldAnswer } from './told-answer.ts';

const PROTOCOL_NAMES: Readonly<Record<ProviderProtocol, string>> = {
  chat: 'openai-chat',
  responses: 'openai-responses',
  messages: 'anthropic-messages',
  gemini: 'gemini',
};
export const CLIENTS: Readonly<Record<Dialect, ClientCodec>> = {
  chat: chatClientDialect.codec,
  responses: responsesClientDialect.codec,
  messages: messagesClientDialect.codec,
};
export const DIALECTS: readonly Dialect[] = ['chat', 'responses', 'messages'];

/** A provider's recorded answer of status 200, in the form in which it came. */
export interface RecordedAnswer {
  readonly name: string;
  readonly protocol: ProviderProtocol;
  readonly stream: Buffer | undefined;
  readonly body: Buffer | undefined;
  readonly chunkBytes: readonly number[] | undefined;
  readonly events: readonly TurnEvent[];
}

export function recordedAnswers(): RecordedAnswer[] {
  return (Object.keys(PROTOCOL_NAMES) as ProviderProtocol[]).flatMap((protocol) =>
    recordingsOf(PROTOCOL_NAMES[protocol]).flatMap((recording) => {
      const events = recording.status === 200 ? eventsOf(protocol, recording) : undefined;
      if (events === undefined) return [];
      const { name, stream, body, chunkBytes } = recording;
      return [{ name, protocol, stream, body: stream === undefined ? body : undefined, chunkBytes, events }];
    }),
  );
}

/** Error answers of every provider. */
export function recordedRefusals(): {
  readonly name: string;
  readonly protocol: ProviderProtocol;
  readonly status: number;
  readonly body: Buffer;
}[] {
  return (Object.keys(PROTOCOL_NAMES) as ProviderProtocol[]).flatMap((protocol) =>
    recordingsOf(PROTOCOL_NAMES[protocol]).flatMap(({ name, status, body }) =>
      status >= 400 && body !== undefined ? [{ name, protocol, status, body }] : [],
    ),
  );
}

function eventsOf(protocol: ProviderProtocol, { stream, whole }: Recording): TurnEvent[] | undefined {
  if (stream !== undefined) return playStream(providerCodecs[protocol], stream);
  return whole === undefined ? undefined : playBody(providerCodecs[protocol], whole);
}

/** The recording as its own SDK reads it; throws where the provider failed in the middle. */
export async function readRecording({ protocol, stream, body }: RecordedAnswer): Promise<ToldAnswer> {
  // The SDKs leave out a last event without its blank line.
  const bytes =
    stream === undefined ? (body ?? Buffer.alloc(0)) : Buffer.concat([stream, Buffer.from('\n\n')]);
  if (protocol === 'gemini')
    return readGemini(stream === undefined ? [JSON.parse(bytes.toString('utf8'))] : geminiChunks(bytes));
  const clients = clientsAnswered(bytes, stream === undefined ? 'application/json' : 'text/event-stream');
  if (stream === undefined) return readBodyWith(clients, protocol);
  // The helper wants ids that stay the same, which some imitators of the protocol do not keep.
  return protocol === 'responses' ? readResponsesStream(clients.openAi) : readStreamWith(clients, protocol);
}

/** Data lines of a Gemini stream; what stands outside of them is an error. */
function geminiChunks(bytes: Buffer): unknown[] {
  return bytes
    .toString('utf8')
    .split(/\r?\n\r?\n/)
    .filter((event) => event.trim() !== '')
    .map((event) => JSON.parse(event.replace(/^data: ?/gm, '')));
}

export const ANSWER_ID_SEED = '019fc71906a87a81a832456b38d5271b';

/** What a client asked for, so that it is told all that its dialect can say. */
export const ASKING: Readonly<Record<Dialect, JsonObject>> = {
  chat: { stream_options: { include_usage: true } },
  responses: {},
  messages: {},
};

export function identityOf(dialect: Dialect): AnswerIdentity {
  return { idSeed: ANSWER_ID_SEED, model: 'vendor/model', createdAt: 1_763_000_000, body: ASKING[dialect] };
}

/** The client's stream of the answer. */
export function streamFor(dialect: Dialect, events: readonly TurnEvent[]): Buffer {
  const written: string[] = [];
  const encoder = CLIENTS[dialect].createStreamEncoder(identityOf(dialect), (bytes) => written.push(bytes));
  for (const event of events) encoder.event(event);
  return Buffer.from(written.join(''));
}

/** The client's body of the answer. */
export function bodyFor(dialect: Dialect, events: readonly TurnEvent[]): JsonObject {
  return CLIENTS[dialect].encodeBody(identityOf(dialect), events);
}

export function readStreamAs(dialect: Dialect, bytes: Buffer): Promise<ToldAnswer> {
  return readStreamWith(clientsAnswered(bytes, 'text/event-stream'), dialect);
}

export function readBodyAs(dialect: Dialect, body: JsonObject): Promise<ToldAnswer> {
  return readBodyWith(clientsAnswered(Buffer.from(JSON.stringify(body)), 'application/json'), dialect);
}

/** Asks for a stream as a user of the official SDK does, and reads it with the SDK. */
export function readStreamWith(clients: OfficialClients, dialect: Dialect, model = 'm'): Promise<ToldAnswer> {
  if (dialect === 'messages') return readMessagesStream(clients.anthropic, model);
  return dialect === 'chat'
    ? readChatStream(clients.openAi, model)
    : readResponsesHelper(clients.openAi, model);
}

export function readBodyWith(clients: OfficialClients, dialect: Dialect, model = 'm'): Promise<ToldAnswer> {
  if (dialect === 'messages') return readMessagesBody(clients.anthropic, model);
  return dialect === 'chat' ? readChatBody(clients.openAi, model) : readResponsesBody(clients.openAi, model);
}
