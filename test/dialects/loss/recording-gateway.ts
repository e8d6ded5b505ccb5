import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import type { Dialect, ProviderProtocol } from '#shared/usage-record.ts';
import { startGateway, testModel } from '#test/data-plane/support/gateway-under-test.ts';
import { PROTOCOLS, protocolUpstream } from '#test/data-plane/support/protocol-models.ts';
import { MEDIA_ORIGIN, PDF, PIXEL } from './specimens.ts';

const PATHS: Readonly<Record<Dialect, string>> = {
  chat: '/v1/chat/completions',
  responses: '/v1/responses',
  messages: '/v1/messages',
};
const VENDORS: Readonly<Record<ProviderProtocol, string>> = {
  chat: 'openai',
  responses: 'openai',
  messages: 'anthropic',
  gemini: 'gemini',
};
const EFFORTS = ['none', 'low', 'medium', 'high', 'max'];

/** What came of one request: what the provider received of it and what the client was told. */
export interface Exchange {
  readonly status: number;
  /** Body of a request that never reached the provider. */
  readonly refusal: string;
  readonly dropped: readonly string[];
  /** Requests that the provider got, as bytes. */
  readonly received: readonly Buffer[];
  /** The same, read, with what the path says of a Gemini request. */
  readonly bodies: readonly JsonObject[];
}

export interface RecordingGateway {
  ask(client: Dialect, protocol: ProviderProtocol, body: JsonObject): Promise<Exchange>;
  /** The bytes that {@link ask} sends of a body. */
  bytesOf(protocol: ProviderProtocol, body: JsonObject): string;
  stop(): Promise<void>;
}

/** A gateway with one model per protocol, all of them at a provider that writes down what it is sent. */
export async function startRecordingGateway(): Promise<RecordingGateway> {
  const media = createServer((request, response) => {
    const isPdf = request.url?.endsWith('.pdf') === true;
    response.writeHead(200, { 'content-type': isPdf ? 'application/pdf' : 'image/png' });
    response.end(Buffer.from(isPdf ? PDF : PIXEL, 'base64'));
  });
  await new Promise<void>((resolve) => media.listen(0, '127.0.0.1', resolve));
  const mediaOrigin = `http://127.0.0.1:${(media.address() as AddressInfo).port}`;
  const gateway = await startGateway({}, { trustedAddresses: ['127.0.0.1'] });
  const { provider } = gateway;
  provider.script = (response, { url }) => {
    const isStream = url.includes('streamGenerateContent');
    const wants = provider.requests.at(-1)?.body.includes('"stream":true') === true;
    response.writeHead(200, { 'content-type': isStream || wants ? 'text/event-stream' : 'application/json' });
    response.end(isStream || wants ? streamOf(url) : JSON.stringify(answerOf(url)));
  };
  for (const protocol of PROTOCOLS) {
    const upstream = protocolUpstream(provider.origin, protocol, { vendor: VENDORS[protocol] });
    const capabilities = {
      tools: true,
      json: true,
      temperature: true,
      attachment: null,
      reasoning: { effort: protocol === 'gemini' ? ['minimal', 'low', 'medium', 'high'] : EFFORTS },
    };
    const config = { ...testModel({ id: modelOf(protocol) }), capabilities };
    gateway.snapshot.addModel(config, [{ upstream, providerModel: `${protocol}-internal` }]);
  }
  const bytesOf = (protocol: ProviderProtocol, body: JsonObject) =>
    JSON.stringify({ model: modelOf(protocol), ...body }).replaceAll(MEDIA_ORIGIN, mediaOrigin);
  return {
    bytesOf,
    async ask(client, protocol, body) {
      const before = provider.requests.length;
      const response = await fetch(`${gateway.url}${PATHS[client]}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${gateway.secret}`, 'content-type': 'application/json' },
        body: bytesOf(protocol, body),
      });
      const text = await response.text();
      const received = provider.requests.slice(before);
      return {
        status: response.status,
        refusal: response.ok ? '' : text,
        dropped: (response.headers.get('x-crossmodel-dropped') ?? '')
          .split(', ')
          .filter((name) => name !== ''),
        received: received.map((request) => request.body),
        bodies: received.map(({ body: bytes, url }) => ({
          ...(JSON.parse(bytes.toString('utf8')) as JsonObject),
          ...(protocol === 'gemini' ? { path: url } : {}),
        })),
      };
    },
    async stop() {
      await gateway.stop();
      await new Promise((resolve) => media.close(resolve));
    },
  };
}

function modelOf(protocol: ProviderProtocol): string {
  return `recorder/${protocol}`;
}

function protocolAt(url: string): ProviderProtocol {
  if (url.includes('enerateContent')) return 'gemini';
  if (url.includes('/messages')) return 'messages';
  return url.includes('/responses') ? 'responses' : 'chat';
}

function answerOf(url: string): object {
  switch (protocolAt(url)) {
    case 'chat':
      return {
        id: 'c',
        object: 'chat.completion',
        choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
      };
    case 'responses':
      return {
        id: 'r',
        object: 'response',
        status: 'completed',
        output: [
          {
            type: 'message',
            id: 'm',
            role: 'assistant',
            content: [{ type: 'output_text', text: 'hi', annotations: [] }],
          },
        ],
        usage: { input_tokens: 1, output_tokens: 1, total_tokens: 2 },
      };
    case 'messages':
      return {
        id: 'm',
        type: 'message',
        role: 'assistant',
        content: [{ type: 'text', text: 'hi' }],
        stop_reason: 'end_turn',
        usage: { input_tokens: 1, output_tokens: 1 },
      };
    case 'gemini':
      return {
        candidates: [{ content: { role: 'model', parts: [{ text: 'hi' }] }, finishReason: 'STOP' }],
        usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 1, totalTokenCount: 2 },
      };
  }
}

function streamOf(url: string): string {
  const events = (...list: object[]) =>
    list
      .map(
        (event) =>
          `event: ${'type' in event ? String(event.type) : 'message'}\ndata: ${JSON.stringify(event)}\n\n`,
      )
      .join('');
  switch (protocolAt(url)) {
    case 'chat':
      return `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content: 'hi' }, finish_reason: 'stop' }] })}\n\ndata: [DONE]\n\n`;
    case 'responses':
      return events({ type: 'response.completed', sequence_number: 0, response: answerOf(url) });
    case 'messages':
      return events(
        { type: 'message_start', message: { ...answerOf(url), content: [], stop_reason: null } },
        { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 1 } },
        { type: 'message_stop' },
      );
    case 'gemini':
      return `data: ${JSON.stringify(answerOf(url))}\r\n\r\n`;
  }
}
