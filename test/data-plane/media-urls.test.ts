import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ProviderProtocol } from '#shared/usage-record.ts';
import { MediaServer } from '#test/fakes/media-server.ts';
import {
  type GatewayUnderTest,
  startGateway,
  testModel,
  testUpstream,
} from './support/gateway-under-test.ts';
import { answersJson } from './support/scripted-provider.ts';

const PNG = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), Buffer.from('pixels')]);
const PDF = Buffer.from('%PDF-1.7 text');
const MP3 = Buffer.from('ID3 sound');
const BASE64 = PNG.toString('base64');

let gateway: GatewayUnderTest;
let media: MediaServer;

const routes: readonly (readonly [model: string, vendor: string, protocol: ProviderProtocol])[] = [
  ['openai/chat', 'openai', 'chat'],
  ['moonshot/chat', 'moonshot', 'chat'],
  ['openai/responses', 'openai', 'responses'],
  ['anthropic/messages', 'anthropic', 'messages'],
  ['gemini/native', 'gemini', 'gemini'],
];

beforeAll(async () => {
  media = await MediaServer.start();
  gateway = await startGateway({}, { ...media.access, deadlineMs: 300, maxBodyBytes: 10_000 });
  for (const [id, vendor, protocol] of routes)
    gateway.snapshot.addModel(testModel({ id, vendor }), [
      { upstream: testUpstream(gateway.provider.origin, { vendor, protocol }), providerModel: 'p' },
    ]);
});

beforeEach(() => {
  media.asked = [];
  media.script = (response) => response.end(PNG);
  gateway.provider.requests.length = 0;
  gateway.provider.script = answersJson({}, 500);
});

afterAll(async () => {
  media.stop();
  await gateway.stop();
});

function post(path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  return fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.secret}`, 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
}

interface Refusal {
  readonly error: { readonly code?: string; readonly message: string; readonly param?: string };
}

async function refusalOf(answer: Response): Promise<Refusal['error']> {
  expect(answer.status).toBe(400);
  expect(gateway.provider.requests).toEqual([]);
  return ((await answer.json()) as Refusal).error;
}

function sentBody(): unknown {
  const [request] = gateway.provider.requests;
  if (request === undefined) throw new Error('The provider was not asked');
  return JSON.parse(request.body.toString());
}

const text = { type: 'text', text: 'what is this?' };
const chatBody = (model: string, ...blocks: readonly object[]) => ({
  model,
  messages: [{ role: 'user', content: [text, ...blocks] }],
});
const chatImage = (url: string) => ({ type: 'image_url', image_url: { url } });
const messagesBody = (model: string, ...blocks: readonly object[]) => ({
  model,
  max_tokens: 10,
  messages: [{ role: 'user', content: [text, ...blocks] }],
});
const messagesImage = (url: string) => ({ type: 'image', source: { type: 'url', url } });
const responsesBody = (model: string, ...parts: readonly object[]) => ({
  model,
  input: [{ role: 'user', content: [{ type: 'input_text', text: 'what?' }, ...parts] }],
});
const responsesImage = (url: string) => ({ type: 'input_image', image_url: url });

describe('a URL that leads where it must not', () => {
  it.each(routes.map(([model]) => model))(
    'is refused for %s in every dialect, by the name of its field',
    async (model) => {
      const url = 'https://169.254.169.254/latest';
      const chat = await refusalOf(await post('/v1/chat/completions', chatBody(model, chatImage(url))));
      expect(chat).toMatchObject({ code: 'invalid_request', param: 'messages[0].content[1].image_url.url' });
      expect(chat.message).toContain('public address');
      const messages = await refusalOf(await post('/v1/messages', messagesBody(model, messagesImage(url))));
      expect(messages).toMatchObject({ type: 'invalid_request_error' });
      expect(messages.message).toContain('messages[0].content[1].source.url');
      const responses = await refusalOf(
        await post('/v1/responses', responsesBody(model, responsesImage(url))),
      );
      expect(responses).toMatchObject({ code: 'invalid_request', param: 'input[0].content[1].image_url' });
      expect(gateway.quotas.open).toBe(0);
    },
  );

  it.each([
    ['http://example.com/a.png', 'https URL'],
    ['file:///etc/passwd', 'https URL'],
    ['https://user:pass@example.com/a.png', 'password'],
    ['https://example.com:22/a.png', 'port'],
    ['https://0x7f000002/a.png', 'public address'],
    ['https://127.0.0.3:8443/', 'public address'],
    ['/etc/passwd', 'valid https URL'],
    [' https://[::1]/', 'public address'],
    ['\\u0068ttp://10.0.0.1/', 'public address'],
  ])('%s is refused although the provider would fetch it', async (url, reason) => {
    const body = JSON.stringify(chatBody('openai/chat', chatImage('URL'))).replace('"URL"', `"${url}"`);
    const { message } = await refusalOf(await post('/v1/chat/completions', body));
    expect(message).toContain(reason);
  });

  it('is found wherever a dialect lets one stand', async () => {
    const url = 'https://10.0.0.1/';
    const result = (content: unknown) => ({ type: 'tool_result', tool_use_id: 't', content });
    const places: readonly (readonly [string, object, string])[] = [
      [
        '/v1/chat/completions',
        chatBody('openai/chat', { type: 'image_url', image_url: url }),
        'image_url.url',
      ],
      [
        '/v1/chat/completions',
        chatBody('openai/chat', { type: 'video_url', video_url: { url } }),
        'video_url.url',
      ],
      [
        '/v1/chat/completions',
        chatBody('openai/chat', { type: 'video', video: ['data:image/png;base64,AA', url] }),
        'messages[0].content[1].video[1]',
      ],
      [
        '/v1/chat/completions',
        chatBody('openai/chat', { type: 'file', file: { file_data: url } }),
        'file.file_data',
      ],
      [
        '/v1/messages',
        messagesBody('anthropic/messages', result([text, messagesImage(url)])),
        'messages[0].content[1].content[1].source.url',
      ],
      [
        '/v1/messages',
        messagesBody('anthropic/messages', {
          type: 'document',
          source: { type: 'content', content: [text, messagesImage(url)] },
        }),
        'messages[0].content[1].source.content[1].source.url',
      ],
      [
        '/v1/responses',
        responsesBody('openai/responses', { type: 'input_file', file_url: url }),
        'input[0].content[1].file_url',
      ],
      [
        '/v1/responses',
        {
          model: 'openai/responses',
          input: [
            { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' },
            { type: 'function_call_output', call_id: 'c', output: [text, responsesImage(url)] },
          ],
        },
        'input[1].output[1].image_url',
      ],
    ];
    for (const [path, body, place] of places) {
      const { message } = await refusalOf(await post(path, body));
      expect(message).toContain(place);
    }
  });
});

describe('a provider that fetches URLs itself', () => {
  it.each([
    ['/v1/chat/completions', chatBody('openai/chat', chatImage('https://example.com/a.png'))],
    ['/v1/messages', messagesBody('anthropic/messages', messagesImage('https://example.com/a.png'))],
    ['/v1/responses', responsesBody('openai/responses', responsesImage('https://example.com/a.png'))],
  ])('is sent the URL as it is on %s', async (path, body) => {
    await post(path, body);
    expect(sentBody()).toEqual({ ...body, model: 'p' });
    expect(media.asked).toEqual([]);
  });

  it('is left to judge base64 that stands where a URL would', async () => {
    const body = chatBody('openai/chat', chatImage(BASE64.repeat(10)));
    await post('/v1/chat/completions', body);
    expect(sentBody()).toEqual({ ...body, model: 'p' });
  });
});

describe('a provider that takes no URL', () => {
  const inline = { inlineData: { mimeType: 'image/png', data: BASE64 } };

  it('is sent the bytes, from every dialect', async () => {
    const asks: readonly (readonly [string, object])[] = [
      ['/v1/chat/completions', chatBody('gemini/native', chatImage(media.urlOf('/a')))],
      ['/v1/messages', messagesBody('gemini/native', messagesImage(media.urlOf('/a')))],
      ['/v1/responses', responsesBody('gemini/native', responsesImage(media.urlOf('/a')))],
    ];
    for (const [path, body] of asks) {
      gateway.provider.requests.length = 0;
      await post(path, body);
      expect(sentBody()).toMatchObject({ contents: [{ role: 'user', parts: [expect.anything(), inline] }] });
    }
  });

  it('is sent each URL once fetched, however often it is mentioned', async () => {
    const image = chatImage(media.urlOf('/same'));
    await post('/v1/chat/completions', chatBody('gemini/native', image, image));
    expect(sentBody()).toMatchObject({ contents: [{ parts: [expect.anything(), inline, inline] }] });
    expect(media.asked).toEqual(['/same']);
  });

  it('is sent the bytes on the forward lane too, everything else as it came', async () => {
    const url = media.urlOf('/a');
    const body = `{ "seed":1e400, "model": "moonshot/chat","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"${url}" ,"detail":"low"}}]}]}`;
    await post('/v1/chat/completions', body);
    const [request] = gateway.provider.requests;
    // What is asked of a provider besides the client's own words is not this test's matter.
    const sent = request?.body.toString().replace(/,?"stream_options":\{[^}]*\}/, '');
    expect(sent).toBe(
      body.replace('"moonshot/chat"', '"p"').replace(`"${url}"`, `"data:image/png;base64,${BASE64}"`),
    );
  });

  it('is sent documents and audio as data', async () => {
    media.script = (response, request) => response.end(request.url === '/a.pdf' ? PDF : MP3);
    await post(
      '/v1/messages',
      messagesBody('openai/chat', {
        type: 'document',
        source: { type: 'url', url: media.urlOf('/a.pdf') },
      }),
    );
    expect(JSON.stringify(sentBody())).toContain(`data:application/pdf;base64,${PDF.toString('base64')}`);
    gateway.provider.requests.length = 0;
    const audio = { type: 'input_audio', input_audio: { data: media.urlOf('/a.mp3'), format: 'mp3' } };
    await post('/v1/chat/completions', chatBody('gemini/native', audio));
    expect(sentBody()).toMatchObject({
      contents: [{ parts: [expect.anything(), { inlineData: { data: MP3.toString('base64') } }] }],
    });
  });

  it('is sent the address of a video page, which has no bytes of its own', async () => {
    const url = 'https://www.youtube.com/watch?v=abc';
    await post('/v1/chat/completions', chatBody('gemini/native', { type: 'video_url', video_url: { url } }));
    expect(JSON.stringify(sentBody())).toContain(`"fileUri":"${url}"`);
  });

  it.each([
    ['redirects to a private address', 'public address', '/redirect'],
    ['is larger than allowed', 'too large', '/huge'],
    ['is too slow', 'too slow', '/slow'],
    ['answers with an error', 'status 404', '/missing'],
    ['sends something that is no image', 'does not lead to an image', '/page'],
    ['sends another format than it says', 'does not lead to an image', '/liar'],
  ])('is not asked when the target %s', async (_, reason, path) => {
    media.script = (response, request) => {
      switch (request.url) {
        case '/redirect':
          return void response.writeHead(302, { location: 'https://10.0.0.1/' }).end();
        case '/huge':
          return void response.end(Buffer.concat([PNG, Buffer.alloc(10_001)]));
        case '/slow':
          return void response.write(PNG);
        case '/missing':
          return void response.writeHead(404).end();
        case '/page':
          return void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>');
        default:
          return void response.writeHead(200, { 'content-type': 'image/png' }).end('not a picture');
      }
    };
    const body = chatBody('gemini/native', chatImage(media.urlOf(path)));
    const { message } = await refusalOf(await post('/v1/chat/completions', body));
    expect(message).toContain(reason);
    expect(message).toContain("'messages[0].content[1].image_url.url'");
    expect(gateway.quotas.open).toBe(0);
  });

  it('is not asked for a client that left while its image was fetched', async () => {
    const leaving = new AbortController();
    const closed = Promise.withResolvers<void>();
    media.script = (response) => {
      response.on('close', closed.resolve);
      leaving.abort();
    };
    const body = chatBody('gemini/native', chatImage(media.urlOf('/a')));
    const records = gateway.spool.records.length;
    await expect(post('/v1/chat/completions', body, leaving.signal)).rejects.toThrow();
    await closed.promise;
    const [record] = (await gateway.spool.wait(records + 1)).slice(records);
    expect(record).toMatchObject({ status: 'aborted' });
    expect(gateway.provider.requests).toEqual([]);
  });
});
