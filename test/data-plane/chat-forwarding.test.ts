import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type GatewayUnderTest,
  MODEL_ID,
  PROVIDER_CREDENTIAL,
  PROVIDER_MODEL,
  postChat,
  startGateway,
  testModel,
  testUpstream,
} from './support/gateway-under-test.ts';
import { answersJson, answersStream } from './support/scripted-provider.ts';

const messages = [{ role: 'user', content: 'hello' }];
const ANSWER = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  model: PROVIDER_MODEL,
  choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
};
const chunk = (fields: object): string =>
  `data: ${JSON.stringify({ id: 'c', model: PROVIDER_MODEL, ...fields })}\n\n`;
const delta = (content: object, finish: string | null = null): string =>
  chunk({ choices: [{ index: 0, delta: content, finish_reason: finish }] });
const USAGE = chunk({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } });
const DONE = 'data: [DONE]\n\n';
const STREAM = [
  delta({ role: 'assistant' }),
  delta({ content: 'Hel' }),
  delta({ content: 'lo' }),
  delta({}, 'stop'),
  USAGE,
  DONE,
];
const inCatalogNames = (text: string): string => text.replaceAll(PROVIDER_MODEL, MODEL_ID);

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());
beforeEach(() => {
  gateway.provider.requests.length = 0;
  gateway.spool.records.length = 0;
  gateway.quotas.settled.length = 0;
});

/** The body that the provider received for the last request. */
const sent = (): string => gateway.provider.requests.at(-1)?.body.toString() ?? '';

describe('what the provider is sent', () => {
  it('is the client’s own bytes with the provider’s model name', async () => {
    gateway.provider.script = answersJson(ANSWER);
    const body = `{ "foo": {"model":"x", "big": 12345678901234567890}, "messages":[ {"role":"user","content":"h\\u00e9 é"}],\n"model" : "${MODEL_ID}", "seed":1.0e0 }`;
    await postChat(gateway, body);
    expect(sent()).toBe(body.replace(`"${MODEL_ID}"`, `"${PROVIDER_MODEL}"`));
  });

  it.each([
    [
      '{"model":"M","messages":MS,"stream":true}',
      '{"stream_options":{"include_usage":true},"model":"P","messages":MS,"stream":true}',
    ],
    [
      '{"model":"M","messages":MS,"stream":true,"stream_options":null}',
      '{"model":"P","messages":MS,"stream":true,"stream_options":{"include_usage":true}}',
    ],
    [
      '{"model":"M","messages":MS,"stream":true,"stream_options":{ }}',
      '{"model":"P","messages":MS,"stream":true,"stream_options":{"include_usage":true }}',
    ],
    [
      '{"model":"M","messages":MS,"stream":true,"stream_options":{"x":1}}',
      '{"model":"P","messages":MS,"stream":true,"stream_options":{"include_usage":true,"x":1}}',
    ],
    [
      '{"model":"M","messages":MS,"stream":true,"stream_options":{"include_usage":false}}',
      '{"model":"P","messages":MS,"stream":true,"stream_options":{"include_usage":true}}',
    ],
    [
      '{"model":"M","messages":MS,"stream":true,"stream_options":{"include_usage":true}}',
      '{"model":"P","messages":MS,"stream":true,"stream_options":{"include_usage":true}}',
    ],
    [
      '{"model":"M","messages":MS,"max_tokens":9,"max_completion_tokens":7}',
      '{"model":"P","messages":MS,"max_tokens":7,"max_completion_tokens":7}',
    ],
  ])('asks for usage and keeps the documented precedence: %s', async (asked, expected) => {
    gateway.provider.script = asked.includes('"stream"') ? answersStream(STREAM) : answersJson(ANSWER);
    const fill = (text: string, model: string): string =>
      text.replace(/"[MP]"/, JSON.stringify(model)).replace('MS', JSON.stringify(messages));
    const answer = await postChat(gateway, fill(asked, MODEL_ID));
    await answer.text();
    expect(answer.status).toBe(200);
    expect(sent()).toBe(fill(expected, PROVIDER_MODEL));
  });

  it('carries our credential and no header of the client', async () => {
    gateway.provider.script = answersJson(ANSWER);
    await postChat(
      gateway,
      { model: MODEL_ID, messages },
      {
        headers: {
          cookie: 'session=1',
          'x-forwarded-for': '10.0.0.1',
          'x-api-key': 'cm-other',
          'openai-organization': 'o',
          'idempotency-key': 'i',
        },
      },
    );
    const { headers, url } = gateway.provider.requests[0] ?? { headers: {}, url: '' };
    expect(url).toBe('/v1/chat/completions');
    expect(headers.authorization).toBe(`Bearer ${PROVIDER_CREDENTIAL}`);
    expect(Object.keys(headers).sort()).toEqual([
      'accept',
      'accept-encoding',
      'authorization',
      'connection',
      'content-length',
      'content-type',
      'host',
      'user-agent',
    ]);
    expect(JSON.stringify(headers)).not.toContain(gateway.secret);
  });

  it('carries no authorization to an upstream that asks for none', async () => {
    const upstream = testUpstream(gateway.provider.origin, { credential: null, sandbox: true });
    gateway.snapshot.addModel(testModel({ id: 'free/one' }), [{ upstream, providerModel: 'one' }]);
    gateway.provider.script = answersJson(ANSWER);
    const answer = await postChat(gateway, { model: 'free/one', messages });
    expect(answer.headers.get('x-crossmodel-sandbox')).toBe('true');
    expect(gateway.provider.requests[0]?.headers).not.toHaveProperty('authorization');
  });
});

describe('what the client receives', () => {
  it('is the provider’s answer under the catalog name, with the ids and the model in its head', async () => {
    gateway.provider.script = answersJson({ ...ANSWER, extra: { model: 'untouched' } });
    const answer = await postChat(gateway, { model: MODEL_ID, messages });
    expect(await answer.json()).toEqual({ ...ANSWER, model: MODEL_ID, extra: { model: 'untouched' } });
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(answer.headers.get('x-crossmodel-model')).toBe(MODEL_ID);
    expect(answer.headers.get('x-crossmodel-sandbox')).toBeNull();
    expect(answer.headers.get('x-request-id')).toMatch(/^req_cm_[0-9a-f]{32}$/);
    expect(answer.headers.get('request-id')).toBe(answer.headers.get('x-request-id'));
  });

  it('is the provider’s stream, without the usage chunk that the client did not ask for', async () => {
    gateway.provider.script = answersStream(STREAM, 2);
    const answer = await postChat(gateway, { model: MODEL_ID, messages, stream: true });
    expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(await answer.text()).toBe(inCatalogNames(STREAM.filter((event) => event !== USAGE).join('')));
  });

  it('is the whole stream for a client that asked for usage', async () => {
    gateway.provider.script = answersStream(STREAM);
    const answer = await postChat(gateway, {
      model: MODEL_ID,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(await answer.text()).toBe(inCatalogNames(STREAM.join('')));
  });

  it('is the same stream in whatever pieces it arrives, with comments, CRLF and split lines', async () => {
    const events = [
      ': PROCESSING\r\n\r\n',
      delta({ role: 'assistant' }).replaceAll('\n', '\r\n'),
      `event: message\nid: 7\n${delta({ content: 'é😀' })}`,
      delta({ content: '"model":"not this"' }),
      delta({}, 'stop'),
      DONE,
    ];
    const whole = Buffer.from(events.join(''));
    const expected = inCatalogNames(events.join(''));
    for (const size of [1, 3, 64, 200, whole.length]) {
      const pieces = Array.from({ length: Math.ceil(whole.length / size) }, (_, index) =>
        whole.subarray(index * size, (index + 1) * size),
      );
      gateway.provider.script = async (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        for (const piece of pieces) {
          response.write(piece);
          if (size > 1) await new Promise((resolve) => setImmediate(resolve));
        }
        response.end();
      };
      const answer = await postChat(gateway, { model: MODEL_ID, messages, stream: true });
      expect(await answer.text(), `pieces of ${size}`).toBe(expected);
    }
  });

  it('names the model in a chunk whose JSON spans several data lines', async () => {
    const spread = `event: message\ndata: {"model":\ndata: "${PROVIDER_MODEL}","choices":[{"index":0,\ndata: "delta":{"content":"x"},"finish_reason":"stop"}]}\n\n`;
    gateway.provider.script = answersStream([spread, DONE]);
    const answer = await postChat(gateway, { model: MODEL_ID, messages, stream: true });
    expect(await answer.text()).toBe(
      `event: message\ndata: {"model": "${MODEL_ID}","choices":[{"index":0, "delta":{"content":"x"},"finish_reason":"stop"}]}\n\n${DONE}`,
    );
  });

  it('ends properly although the provider sends no end marker', async () => {
    gateway.provider.script = answersStream([delta({ content: 'x' }), delta({}, 'stop').trimEnd()]);
    const answer = await postChat(gateway, { model: MODEL_ID, messages, stream: true });
    expect(await answer.text()).toBe(inCatalogNames(delta({ content: 'x' }) + delta({}, 'stop') + DONE));
    expect((await gateway.spool.wait(1))[0]).toMatchObject({
      status: 'success',
      usage: { source: 'estimated' },
    });
  });

  it('carries an event of five megabytes', async () => {
    const image = delta({ content: 'x'.repeat(5_000_000) });
    gateway.provider.script = answersStream([image, delta({}, 'stop'), DONE]);
    const answer = await postChat(gateway, { model: MODEL_ID, messages, stream: true });
    expect((await answer.text()) === inCatalogNames(image + delta({}, 'stop') + DONE)).toBe(true);
  });

  it('is kept whole when the provider pads its JSON with line breaks', async () => {
    gateway.provider.script = answersJson(`\n\n\n${JSON.stringify(ANSWER)}\n`);
    const answer = await postChat(gateway, { model: MODEL_ID, messages });
    expect(await answer.text()).toBe(inCatalogNames(`\n\n\n${JSON.stringify(ANSWER)}\n`));
  });
});

describe('what is recorded', () => {
  it('is one success with the provider’s counts, priced, before the last byte leaves', async () => {
    gateway.spool.stalled = true;
    gateway.provider.script = answersStream(STREAM);
    // An answer that comes in one read leaves in one write, after its record.
    const asked = postChat(gateway, { model: MODEL_ID, messages, stream: true, user: 'someone' });
    let text = '';
    const [record] = await gateway.spool.wait(1);
    const read = (async () => {
      const reader = (await asked).body?.getReader();
      for (;;) {
        const next = await reader?.read();
        if (next === undefined || next.done) return;
        text += Buffer.from(next.value).toString();
      }
    })();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(text).not.toContain('[DONE]');
    gateway.spool.release();
    await read;
    expect(text).toContain('[DONE]');
    expect(record).toMatchObject({
      status: 'success',
      httpStatus: 200,
      stream: true,
      model: MODEL_ID,
      requestedModel: MODEL_ID,
      alias: null,
      dialect: 'chat',
      lane: 'forward',
      upstream: 'deepseek',
      sandbox: false,
      errorCode: null,
      priceVersionId: 'price-1',
      usage: { input: 3, output: 2, source: 'upstream' },
      costNano: '11000',
      count: 1,
    });
    expect(record?.endUser).toMatch(/^[\w-]{22}$/);
    expect(record?.firstTokenMs).not.toBeNull();
    expect(JSON.stringify(record)).not.toContain('someone');
    expect(gateway.quotas.settled).toEqual([{ costNano: 11_000n, usedTokens: 5 }]);
    expect(gateway.quotas.open).toBe(0);
  });

  it('names the alias and bills the model behind it', async () => {
    const secret = gateway.snapshot.addKey('cm-alias-key', {
      id: 'key-alias',
      aliases: [
        { alias: 'basic', kind: 'exact', model: MODEL_ID },
        { alias: 'claude-', kind: 'prefix', model: 'gone/one' },
        { alias: 'claude-opus', kind: 'prefix', model: MODEL_ID },
      ],
    });
    gateway.provider.script = answersJson(ANSWER);
    for (const [asked, alias] of [
      ['basic', 'basic'],
      ['claude-opus-4-9', 'claude-opus'],
    ]) {
      gateway.spool.records.length = 0;
      const answer = await postChat(
        gateway,
        { model: asked, messages },
        { headers: { authorization: `Bearer ${secret}` } },
      );
      expect(await answer.json()).toMatchObject({ model: MODEL_ID });
      expect(gateway.spool.records).toMatchObject([
        { requestedModel: asked, alias, model: MODEL_ID, apiKeyId: 'key-alias' },
      ]);
    }
    const answer = await postChat(
      gateway,
      { model: 'claude-sonnet', messages },
      { headers: { authorization: `Bearer ${secret}` } },
    );
    expect([answer.status, await answer.json()]).toMatchObject([
      404,
      { error: { message: "Model 'claude-sonnet' was not found or is unavailable.", param: 'model' } },
    ]);
  });
});

describe('the connection to the provider', () => {
  it('is used again, and replaced when the provider has closed it meanwhile', async () => {
    gateway.provider.script = answersJson(ANSWER);
    await (await postChat(gateway, { model: MODEL_ID, messages })).text();
    // Answers on used connections by closing them, as a provider does that drops an idle connection at that moment.
    let isFirst = true;
    gateway.provider.script = (response) => {
      if (isFirst) response.socket?.destroy();
      else response.setHeader('content-type', 'application/json').end(JSON.stringify(ANSWER));
      isFirst = false;
    };
    const answer = await postChat(gateway, { model: MODEL_ID, messages });
    expect(answer.status).toBe(200);
    expect(gateway.provider.requests).toHaveLength(3);
  });
});

describe('a request body', () => {
  it('may come in pieces', async () => {
    gateway.provider.script = answersJson(ANSWER);
    const body = JSON.stringify({ model: MODEL_ID, messages });
    const { hostname, port } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${gateway.secret}\r\n`;
    socket.write(`${head}content-length: ${body.length}\r\nconnection: close\r\n\r\n`);
    for (const character of body) {
      socket.write(character);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const answer = await new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (data) => {
        text += data;
        if (text.includes('"usage"')) resolve(text);
      });
    });
    socket.destroy();
    expect(answer).toMatch(/^HTTP\/1.1 200 OK/);
    expect(sent()).toBe(body.replace(MODEL_ID, PROVIDER_MODEL));
  });

  it('may come chunked and of several megabytes', async () => {
    gateway.provider.script = answersJson(ANSWER);
    const body = JSON.stringify({
      model: MODEL_ID,
      messages: [{ role: 'user', content: 'x'.repeat(6_000_000) }],
    });
    const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.secret}` },
      body: new ReadableStream({
        start(controller) {
          for (let at = 0; at < body.length; at += 100_000)
            controller.enqueue(Buffer.from(body.slice(at, at + 100_000)));
          controller.close();
        },
      }),
      duplex: 'half',
    } as RequestInit);
    expect(answer.status).toBe(200);
    expect(sent() === body.replace(MODEL_ID, PROVIDER_MODEL)).toBe(true);
  });
});
