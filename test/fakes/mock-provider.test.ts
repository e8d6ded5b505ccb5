import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterEach, expect, it } from 'vitest';
import { departuresFrom } from './chat-wire-schemas.ts';
import { readBookFile } from './mock-book.ts';
import { type MockProvider, startMockProvider } from './mock-provider.ts';
import { type MockScript, scriptInMessage } from './mock-script.ts';

let provider: MockProvider | undefined;
afterEach(async () => {
  await provider?.close();
  provider = undefined;
});

const bodyWith = (script: MockScript, extra: object = {}) => ({
  model: 'gpt-mock',
  messages: [{ role: 'user' as const, content: scriptInMessage(script) }],
  ...extra,
});

function post(running: MockProvider, body: object, signal?: AbortSignal): Promise<Response> {
  const init = { method: 'POST', body: JSON.stringify(body), headers: { authorization: 'Bearer sk-test' } };
  return fetch(`${running.baseUrl}/chat/completions`, signal ? { ...init, signal } : init);
}

it('writes down what it stated, under the id that it gave the client', async () => {
  provider = await startMockProvider();
  const client = new OpenAI({ baseURL: provider.baseUrl, apiKey: 'sk-test' });
  const completion = await client.chat.completions.create(bodyWith({ text: 'canary ' }));
  expect(departuresFrom('completion', completion)).toEqual([]);
  const entry = provider.book.get(completion.id);
  expect(entry).toMatchObject({ outcome: 'written', usageStated: true, model: 'gpt-mock', stream: false });
  expect(completion.usage).toMatchObject({
    prompt_tokens: entry?.promptTokens,
    completion_tokens: entry?.completionTokens,
    prompt_tokens_details: { cached_tokens: entry?.cachedTokens },
  });
  expect(completion.choices[0]?.message.content).toMatch(/^canary w0 /);
  expect(provider.callOf(completion.id)?.headers.authorization).toBe('Bearer sk-test');
});

it('streams the same way when its writes are cut into single bytes', async () => {
  provider = await startMockProvider();
  const stream = { stream: true, stream_options: { include_usage: true } };
  const events = (await (await post(provider, bodyWith({ writeBytes: 1, chunks: 2 }, stream))).text())
    .trim()
    .split('\n\n');
  expect(events.at(-1)).toBe('data: [DONE]');
  for (const event of events.slice(0, -1))
    expect(departuresFrom('chunk', JSON.parse(event.slice(6)))).toEqual([]);
});

it('notes a client that leaves before the end', async () => {
  provider = await startMockProvider();
  const response = await post(
    provider,
    bodyWith({ fault: { kind: 'stall', afterChunks: 1 } }, { stream: true }),
    AbortSignal.timeout(150),
  );
  await expect(response.text()).rejects.toThrow();
  await expect.poll(() => provider?.book.entries[0]?.outcome).toBe('client_gone');
});

it('fails as scripted and notes that the answer never was complete', async () => {
  provider = await startMockProvider({ script: { status: 503 } });
  expect((await post(provider, { model: 'm', messages: [] })).status).toBe(503);
  for (const kind of ['reset', 'end'] as const)
    await expect(
      post(provider, bodyWith({ fault: { kind, afterChunks: 1 } }, { stream: true })).then((r) => r.text()),
    ).rejects.toThrow();
  expect(provider.book.entries.map((entry) => entry.outcome)).toEqual(['refused', 'broken', 'broken']);
});

it('keeps a book that is readable after its process is gone', async () => {
  const bookPath = join(mkdtempSync(join(tmpdir(), 'mock-book-')), 'book.jsonl');
  provider = await startMockProvider({ bookPath });
  await post(provider, bodyWith({})).then((response) => response.text());
  await expect.poll(() => readBookFile(bookPath)).toEqual(provider.book.entries);
});
