import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { READ_NAMES } from '#data-plane/upstream/answer-head.ts';
import { AnswerParser } from '#data-plane/upstream/answer-parser.ts';
import { createHttp1Client } from '#data-plane/upstream/http1-client.ts';
import { createUndiciClient } from '#data-plane/upstream/undici-client.ts';
import { type SeededRandom, seededRandom } from '#test/reliability/seeded-random.ts';
import { RawServer, requestTo, sendTo } from './raw-server.ts';

interface Heard {
  status: number;
  body: string;
  ending: 'reusable' | 'used up' | 'malformed' | 'open';
}

/** Feeds an answer to a parser in pieces that end at the given places. */
function parse(text: string, cuts: readonly number[], finishes = false): Heard {
  const heard: Heard = { status: 0, body: '', ending: 'open' };
  const parser = new AnswerParser({
    onAnswerHead: ({ status }) => {
      heard.status = status;
    },
    onAnswerBody: (bytes) => {
      heard.body += bytes.toString('latin1');
    },
    onAnswerEnd: (isReusable) => {
      heard.ending = isReusable ? 'reusable' : 'used up';
    },
    onAnswerMalformed: () => {
      heard.ending = 'malformed';
    },
  });
  parser.expect();
  const buffer = Buffer.alloc(text.length + 1);
  let from = 0;
  for (const cut of [...cuts, text.length]) {
    // The same memory for every read, as on a real connection.
    const length = buffer.write(text.slice(from, cut), 0, 'latin1');
    if (length > 0) parser.push(buffer, length);
    from = cut;
  }
  if (finishes) parser.finish();
  return heard;
}

function randomAnswer(random: SeededRandom): string {
  const pick = <Item>(items: readonly Item[]): Item => items[random.between(0, items.length)] as Item;
  const filler = (length: number): string =>
    Array.from({ length }, () => String.fromCharCode(random.between(0, 256))).join('');
  const interim = random.next() < 0.1 ? 'HTTP/1.1 103 Hints\r\nlink: a\r\n\r\n' : '';
  const status = pick([200, 200, 200, 400, 429, 500]);
  const fields = Array.from(
    { length: random.between(0, 4) },
    (_, index) => `${pick([`X-${index}`, 'Date', 'content-TYPE', 'retry-after-ms'])}: ${random.next()}\r\n`,
  );
  const head = `${interim}HTTP/1.1 ${status} ${pick(['OK', '', 'Not so good'])}\r\n${fields.join('')}`;
  if (random.next() < 0.5) {
    const body = filler(random.between(0, 300));
    return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
  }
  const chunks = Array.from({ length: random.between(0, 6) }, () => filler(random.between(1, 60)));
  const extension = pick(['', '', ';a=b', ';q="x"']);
  const written = chunks.map((chunk) => `${chunk.length.toString(16)}${extension}\r\n${chunk}\r\n`).join('');
  const trailer = pick(['', '', 'x-sum: 1\r\n']);
  return `${head}Transfer-Encoding: chunked\r\n\r\n${written}0\r\n${trailer}\r\n`;
}

function randomCuts(random: SeededRandom, length: number): number[] {
  return Array.from({ length: random.between(0, 12) }, () => random.between(0, length)).sort((a, b) => a - b);
}

describe('the parser of answers', () => {
  it('hears the same whatever the splits', () => {
    const random = seededRandom(7);
    for (let round = 0; round < 3_000; round += 1) {
      const text = randomAnswer(random);
      const whole = parse(text, []);
      expect(whole.ending).toBe('reusable');
      expect(parse(text, randomCuts(random, text.length))).toEqual(whole);
    }
  });

  it('hears the same when every byte comes alone', () => {
    const random = seededRandom(8);
    for (let round = 0; round < 50; round += 1) {
      const text = randomAnswer(random);
      const everywhere = Array.from(text, (_, index) => index);
      expect(parse(text, everywhere)).toEqual(parse(text, []));
    }
  });

  it('survives any bytes, and then too the splits do not matter', () => {
    const random = seededRandom(9);
    for (let round = 0; round < 3_000; round += 1) {
      const text = mutated(randomAnswer(random), random);
      const whole = parse(text, [], true);
      const split = parse(text, randomCuts(random, text.length), true);
      // What stands behind an answer is met by whoever uses the connection next, if it comes later.
      if (split.ending === 'reusable' && whole.ending === 'used up') split.ending = 'used up';
      expect(split.ending).toBe(whole.ending);
      if (whole.ending !== 'malformed') expect(split).toEqual(whole);
      else expect(split.body.startsWith(whole.body) || whole.body.startsWith(split.body)).toBe(true);
    }
  });

  it('never lets an answer that undici refuses pass, nor reads another body from it', async () => {
    const { text, server, own, undici } = await bothClients();
    const random = seededRandom(10);
    for (let round = 0; round < 200; round += 1) {
      text.value = mutated(randomAnswer(random).replace(/^HTTP\/1.1 103.*?\r\n\r\n/s, ''), random);
      const [ours, theirs] = await Promise.all([
        sendTo(own, requestTo(server.origin)),
        sendTo(undici, requestTo(server.origin)),
      ]);
      // Of extensions and trailers nothing is used, so their grammar is not checked to the letter.
      const isLoose = /;|0\r\n[^\r]/.test(text.value);
      if (ours.ending !== 'end' || isLoose) continue;
      expect({ text: text.value, ...theirs }).toMatchObject({
        status: ours.status,
        body: ours.body,
        ending: 'end',
      });
    }
  });

  it('reads every proper answer as undici does', async () => {
    const { text, server, own, undici } = await bothClients();
    const random = seededRandom(11);
    for (let round = 0; round < 150; round += 1) {
      text.value = randomAnswer(random).replace(/^HTTP\/1.1 103.*?\r\n\r\n/s, '');
      const [ours, theirs] = await Promise.all([
        sendTo(own, requestTo(server.origin)),
        sendTo(undici, requestTo(server.origin)),
      ]);
      const headers = Object.fromEntries(READ_NAMES.map((name) => [name, theirs.headers[name]]));
      expect(ours).toEqual({ ...theirs, headers });
      expect(ours.ending).toBe('end');
    }
  });
});

const opened: { stop(): void }[] = [];
let shared: Awaited<ReturnType<typeof openBoth>>;
beforeAll(async () => {
  shared = await openBoth();
});
afterAll(() => {
  for (const one of opened) one.stop();
});

async function bothClients(): Promise<typeof shared> {
  return shared;
}

async function openBoth() {
  const server = await RawServer.start();
  const text = { value: '' };
  server.script = (socket) => void socket.end(text.value, 'latin1');
  const options = { connectTimeoutMs: 1_000, idleConnectionMs: 1_000 };
  const own = createHttp1Client(options);
  const undici = createUndiciClient(options);
  opened.push(server, { stop: () => void own.close() }, { stop: () => void undici.close() });
  return { text, server, own, undici };
}

/** Breaks one to three places of an answer. */
function mutated(text: string, random: SeededRandom): string {
  let result = text;
  for (let count = random.between(1, 4); count > 0; count -= 1) {
    const at = random.between(0, result.length + 1);
    const kind = random.between(0, 4);
    const inserted = kind === 0 ? '' : String.fromCharCode(random.between(0, 128));
    result = result.slice(0, at) + inserted + result.slice(at + (kind < 2 ? 1 : 0));
  }
  return result;
}
