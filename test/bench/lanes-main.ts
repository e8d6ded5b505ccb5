import type { ClientDialect, WatchedRequest } from '#data-plane/dialects/client-dialect.ts';
import {
  chatClientDialect,
  messagesClientDialect,
  responsesClientDialect,
} from '#data-plane/dialects/client-dialects.ts';
import { providerCodecs } from '#data-plane/dialects/provider-codecs.ts';
import type { ResponseWriter } from '#data-plane/http/response-writer.ts';
import { jsonName } from '#data-plane/json/json-name.ts';
import { ForwardLane } from '#data-plane/lanes/forward-lane.ts';
import type { AnswerLane } from '#data-plane/lanes/lane.ts';
import { TranslateLane } from '#data-plane/lanes/translate-lane.ts';
import { isFault } from '#shared/fault.ts';

/**
 * `npm run bench:lanes`: what the two lanes do with a streamed chunk and a request body, without sockets: microseconds of CPU
 * per chunk, one chunk per read, and milliseconds per body. The network adds the same to both lanes.
 */
const CHUNKS = 400;
const STREAMS = 60;
const ROUNDS = 5;
const MODEL = 'vendor/model-for-clients';

const delta = (type: string, more: object): Buffer =>
  Buffer.from(`event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`);
const chatChunk = (content: string): Buffer =>
  Buffer.from(
    `data: {"id":"chatcmpl-BdY0sRlZ8Yp0","object":"chat.completion.chunk","created":1763700000,"model":"model-2026-01-01","service_tier":"default","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":{"content":${JSON.stringify(content)}},"logprobs":null,"finish_reason":null}],"usage":null}\n\n`,
  );
const words = Array.from({ length: CHUNKS }, (_, index) => ` word${index % 97}`);

const STREAM_OF = {
  chat: words.map(chatChunk),
  messages: [
    delta('message_start', {
      message: {
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        content: [],
        model: 'model',
        stop_reason: null,
        stop_sequence: null,
        usage: { input_tokens: 25, output_tokens: 1 },
      },
    }),
    delta('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    ...words.map((text) => delta('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })),
  ],
  responses: words.map((text, index) =>
    delta('response.output_text.delta', {
      sequence_number: index + 4,
      item_id: 'msg_68af4030baa48193b0b43b4c2a176a1a',
      output_index: 0,
      content_index: 0,
      delta: text,
      logprobs: [],
      obfuscation: 'x'.repeat(index % 16),
    }),
  ),
} as const;
type Provider = keyof typeof STREAM_OF;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** CPU of one call in microseconds: the least of some rounds. */
function costOf(calls: number, call: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = cpuMicros();
    for (let index = 0; index < calls; index += 1) call();
    least = Math.min(least, (cpuMicros() - before) / calls);
  }
  return least;
}

function forward({ forward: dialect }: ClientDialect): AnswerLane {
  return new ForwardLane({
    dialect,
    hidesUsageChunk: false,
    modelName: jsonName(MODEL),
    requestId: 'req_cm_1',
  });
}

function translate({ codec, forward: dialect }: ClientDialect, provider: Provider): AnswerLane {
  return new TranslateLane({
    client: codec,
    provider: providerCodecs[provider],
    answer: { idSeed: '0123456789abcdef0123456789abcdef', model: MODEL, createdAt: 1_763_700_000, body: {} },
    issuer: 'vendor',
    encodeStreamFault: (refusal) => dialect.encodeStreamFault(refusal, 'req_cm_1'),
  });
}

/** CPU per chunk of a lane, in microseconds. */
function chunkCost(open: () => AnswerLane, pieces: readonly Buffer[]): number {
  let written = 0;
  const writer = {
    write: (bytes: Buffer) => {
      written += bytes.length;
    },
  };
  const stream = (): void => {
    const relay = open().openRelay(writer as ResponseWriter);
    for (const piece of pieces) relay.push(piece);
  };
  const cost = costOf(STREAMS, stream) / pieces.length;
  if (written === 0) throw new Error('Nothing was written');
  return cost;
}

const dialects = {
  chat: chatClientDialect,
  messages: messagesClientDialect,
  responses: responsesClientDialect,
};
print('| client | provider | lane | CPU per chunk, µs | ÷ forward lane of this client |');
print('|---|---|---|---|---|');
for (const client of ['chat', 'messages', 'responses'] as const) {
  const dialect: ClientDialect = dialects[client];
  const own = chunkCost(() => forward(dialect), STREAM_OF[client]);
  print(`| ${client} | ${client} | forward | ${own.toFixed(2)} | 1 |`);
  for (const provider of ['chat', 'messages', 'responses'] as const) {
    if (provider === client) continue;
    const cost = chunkCost(() => translate(dialect, provider), STREAM_OF[provider]);
    print(`| ${client} | ${provider} | translate | ${cost.toFixed(2)} | ${(cost / own).toFixed(1)} |`);
  }
}

const TEXT = 'The quick brown fox jumps over the lazy dog, said “Müller”; and then it went on. ';
const turns = Array.from({ length: 260 }, (_, index) => ({
  role: index % 2 === 0 ? 'user' : 'assistant',
  content: TEXT.repeat(44),
}));
const picture = `data:image/png;base64,${'iVBORw0KGgo'.repeat(1_900_000)}`;
const seen = [{ role: 'user', content: [{ type: 'image_url', image_url: { url: picture } }] }];
print('\n| body | size, MB | read, ms | spliced, ms |\n|---|---|---|---|');
for (const [name, messages] of [
  ['200,000 tokens of conversation', turns],
  ['a picture', seen],
] as const) {
  const body = Buffer.from(JSON.stringify({ model: MODEL, max_tokens: 100, messages }));
  const request = chatClientDialect.readRequest(body);
  if (isFault(request)) throw new Error(request.message);
  const calls = name === 'a picture' ? 5 : 50;
  const read = costOf(calls, () => void chatClientDialect.readRequest(body));
  const spliced = costOf(calls, () => void splice(chatClientDialect, body, request));
  print(
    `| ${name} | ${(body.length / 1e6).toFixed(1)} | ${(read / 1e3).toFixed(2)} | ${(spliced / 1e3).toFixed(2)} |`,
  );
}

function splice(dialect: ClientDialect, body: Buffer, request: WatchedRequest): Buffer {
  return dialect.forwardBody(body, request, 'model');
}
