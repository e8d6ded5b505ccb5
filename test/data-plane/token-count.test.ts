import { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import type { WatchedRequest } from '#data-plane/dialects/client-dialect.ts';
import type { CompiledModel } from '#data-plane/snapshot/compiled-snapshot.ts';
import { countText } from '#data-plane/token-count/count-text.ts';
import { addSums, likelyTokens, NO_SUMS, sumsOf } from '#data-plane/token-count/factor-fit.ts';
import { imageSizeOf } from '#data-plane/token-count/image-size.ts';
import { imageTokens } from '#data-plane/token-count/image-tokens.ts';
import { PromptMeasurer } from '#data-plane/token-count/prompt-measurer.ts';
import { openSharedFactors, type TokenFactors } from '#data-plane/token-count/shared-factors.ts';
import { LearningCounter } from '#data-plane/token-count/token-counter.ts';
import { systemClock } from '#shared/clock.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { testRedisUrl } from '#test/setup/test-backends.ts';
import { testModel } from './support/gateway-under-test.ts';

const redisUrl = await testRedisUrl();
const redis = new Redis(redisUrl);
const opened: TokenFactors[] = [];

afterAll(() => {
  for (const factors of opened) factors.close();
  redis.disconnect();
});

function openFactors(): TokenFactors {
  const factors = openSharedFactors({ redisUrl, clock: systemClock, logger: pino({ level: 'silent' }) });
  opened.push(factors);
  return factors;
}

describe('counting a text', () => {
  it('counts as o200k_base does', () => {
    expect(countText('hello world')).toBe(2);
    expect(countText('Tokenization is fun: naïve café, 1234567!')).toBe(14);
    expect(countText('')).toBe(0);
  });

  it('takes the control tokens of the tokenizer for the texts that they are', () => {
    expect(countText('<|endoftext|>')).toBeGreaterThan(3);
  });

  it('does not stall on texts without blanks', () => {
    expect(countText('a'.repeat(100_000))).toBeGreaterThan(1_000);
    expect(countText('中文'.repeat(20_000))).toBeGreaterThan(10_000);
    expect(countText(' '.repeat(100_000))).toBeGreaterThan(10);
    const prose = 'The quick brown fox jumps over the lazy dog. ';
    const mixed = `${prose}${'x'.repeat(500)} ${prose}`;
    expect(countText(mixed)).toBeGreaterThan(2 * countText(prose));
  });
});

describe('the fit of our counts to theirs', () => {
  const sizes = Array.from({ length: 20 }, (_, index) => 30 + index * index * 13);
  const providers: readonly (readonly [string, (ours: number) => number])[] = [
    ['the same tokenizer', (ours) => ours],
    ['a coarser one', (ours) => Math.round(ours * 0.8)],
    ['a finer one', (ours) => Math.round(ours * 1.4) + 3],
    ['one with a long template around', (ours) => Math.round(ours * 1.1) + 60],
    ['a very different one', (ours) => Math.round(ours * 2.5)],
  ];

  it.each(providers)('is within 10 %% after 20 requests: %s', (_, theirs) => {
    const sums = sizes.map((ours) => sumsOf(ours, theirs(ours))).reduce(addSums, NO_SUMS);
    expect(sums.count).toBe(20);
    for (const ours of [25, 100, 700, 5_000, 50_000]) {
      const error = Math.abs(likelyTokens(sums, ours) / theirs(ours) - 1);
      expect(error, `${ours} tokens`).toBeLessThan(0.1);
    }
  });

  it('holds for longer prompts than it has seen, if those were all alike', () => {
    const sums = sizes.map(() => sumsOf(120, 168)).reduce(addSums, NO_SUMS);
    expect(Math.abs(likelyTokens(sums, 120) / 168 - 1)).toBeLessThan(0.02);
    expect(Math.abs(likelyTokens(sums, 2_000) / 2_800 - 1)).toBeLessThan(0.1);
  });

  it('is our own count and a little more before it has learned anything', () => {
    expect(likelyTokens(NO_SUMS, 1_000)).toBe(1_003);
  });

  it('learns nothing from a prompt that was counted by other rules', () => {
    expect(sumsOf(100, 9_000)).toEqual(NO_SUMS);
    expect(sumsOf(100, 0)).toEqual(NO_SUMS);
  });
});

describe('pictures', () => {
  const base64 = (...bytes: number[]) => Buffer.from(bytes).toString('base64');
  const text = (value: string) => [...Buffer.from(value, 'latin1')];

  it('tell their size in their head', () => {
    const png = base64(...text('\x89PNG\r\n\x1a\n\0\0\0\rIHDR'), 0, 0, 2, 0, 0, 0, 1, 0);
    expect(imageSizeOf(png)).toEqual({ width: 512, height: 256 });
    expect(imageSizeOf(base64(...text('GIF89a'), 44, 1, 200, 0))).toEqual({ width: 300, height: 200 });
    const jpeg = base64(0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xc2, 0, 17, 8, 1, 0, 2, 0);
    expect(imageSizeOf(jpeg)).toEqual({ width: 512, height: 256 });
    const webp = base64(...text('RIFF....WEBPVP8X........'), 0xff, 1, 0, 0xff, 0, 0);
    expect(imageSizeOf(webp)).toEqual({ width: 512, height: 256 });
  });

  it('without one are of unknown size', () => {
    for (const broken of ['', base64(...text('\x89PNG')), base64(0xff, 0xd8, 0xff), base64(1, 2, 3)])
      expect(imageSizeOf(broken)).toBeUndefined();
  });

  it('cost what the vendors document', () => {
    expect(imageTokens('openai', { width: 1_024, height: 1_024 })).toBe(765);
    expect(imageTokens('gemini', { width: 300, height: 300 })).toBe(258);
    const anthropic = imageTokens('anthropic', { width: 1_000, height: 1_000 });
    expect(Math.abs(anthropic / 1_334 - 1)).toBeLessThan(0.05);
    expect(imageTokens('someone-new')).toBeGreaterThan(0);
  });
});

describe('the counting thread', () => {
  const ask = (content: string) => Buffer.from(JSON.stringify({ messages: [{ role: 'user', content }] }));

  it('measures requests of every dialect, and ends when nobody asks', async () => {
    const measurer = new PromptMeasurer(50);
    const chat = await measurer.measure('chat', ask('hello world'));
    expect(chat).toEqual({ textTokens: 6, images: [], documentCharacters: 0 });
    expect((await measurer.measure('messages', ask('hello world')))?.textTokens).toBe(6);
    const input = Buffer.from(JSON.stringify({ input: 'hello world' }));
    expect((await measurer.measure('responses', input))?.textTokens).toBe(6);
    await expect.poll(() => measurer.running).toBe(false);
    expect((await measurer.measure('chat', ask('again')))?.textTokens).toBe(5);
    await measurer.close();
  });

  it('counts system prompts, tools, calls, results and pictures', async () => {
    const measurer = new PromptMeasurer(1_000);
    const size = async (extra: object): Promise<number> => {
      const body = { messages: [{ role: 'user', content: 'hi' }], ...extra };
      const measure = await measurer.measure('messages', Buffer.from(JSON.stringify(body)));
      return measure?.textTokens ?? 0;
    };
    const plain = await size({});
    expect(await size({ system: 'You are a careful assistant.' })).toBeGreaterThan(plain + 5);
    const tools = [{ name: 'weather', description: 'Tells the weather.', input_schema: { type: 'object' } }];
    expect(await size({ tools })).toBeGreaterThan(plain + 8);
    const block = { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } };
    const withImage = { messages: [{ role: 'user', content: [block] }] };
    const measure = await measurer.measure('messages', Buffer.from(JSON.stringify(withImage)));
    expect(measure?.images).toEqual([null]);
    await measurer.close();
  });

  it('has no measure of what is no request, and gives up what it was asked when it is closed', async () => {
    const measurer = new PromptMeasurer(1_000);
    expect(await measurer.measure('chat', Buffer.from('{"messages":3}'))).toBeUndefined();
    const pending = measurer.measure('chat', ask('never mind'));
    await measurer.close();
    expect(await pending).toBeUndefined();
  });
});

describe('learning', () => {
  it('ends by itself with a vendor whose counts teach nothing', async () => {
    const none: TokenFactors = {
      add: () => undefined,
      requestsKnown: () => 0,
      read: async () => NO_SUMS,
      close: () => undefined,
    };
    const counter = new LearningCounter({ factors: none, clock: systemClock });
    const prompt = { textBytes: 10, images: 0, videos: 0, audioBytes: 0, fileReferences: 0 };
    const request = { prompt } as WatchedRequest;
    const model: CompiledModel = { config: testModel(), prices: [], routes: [] };
    const body = Buffer.from('{}');
    const samples = Array.from({ length: 1_000 }, () => counter.sample('chat', model, request, body));
    expect(samples.filter((sample) => sample !== undefined)).toHaveLength(129);
    await counter.close();
  });
});

describe('what processes know together', () => {
  it('is shared through Redis in numbers, and outlives them', async () => {
    const [first, second] = [openFactors(), openFactors()];
    for (let index = 0; index < 10; index += 1) {
      first.add('vendor-a', sumsOf(100, 150));
      second.add('vendor-a', sumsOf(200, 300));
    }
    expect(first.requestsKnown('vendor-a')).toBe(10);
    const later = openFactors();
    await expect.poll(async () => (await later.read('vendor-a')).count, { timeout: 5_000 }).toBe(20);
    const stored = await redis.hgetall(redisKeys.tokenFactors('vendor-a'));
    expect(Object.values(stored).every((value) => Number.isFinite(Number(value)))).toBe(true);
    expect(Object.keys(stored)).toHaveLength(6);
  });

  it('fades when there is enough of it', async () => {
    const factors = openFactors();
    await expect.poll(async () => (await factors.read('vendor-b')).count).toBe(0);
    for (let index = 0; index < 1_100; index += 1) factors.add('vendor-b', sumsOf(100, 150));
    await expect.poll(() => redis.hget(redisKeys.tokenFactors('vendor-b'), 'count')).toBe('550');
  });

  it('is kept while Redis is away', async () => {
    const factors = openSharedFactors({
      redisUrl: 'redis://127.0.0.1:1',
      clock: systemClock,
      logger: pino({ level: 'silent' }),
    });
    opened.push(factors);
    factors.add('vendor-c', sumsOf(100, 150));
    expect((await factors.read('vendor-c')).count).toBe(1);
  });
});
