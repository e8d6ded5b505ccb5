import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { textsIn } from '#data-plane/snapshot/packed-texts.ts';
import { SnapshotStore } from '#data-plane/snapshot/snapshot-store.ts';
import { AddressRanges } from '#shared/address-range.ts';
import { digestApiKey, mintApiKey } from '#shared/api-key.ts';
import { systemClock } from '#shared/clock.ts';
import { parseSealingKey } from '#shared/sealed-secret.ts';
import type { SnapshotKey } from '#shared/snapshot.ts';
import { messages } from './support/ask-chat.ts';
import {
  type GatewayUnderTest,
  MODEL_ID,
  postChat,
  startGateway,
  testModel,
  testUpstream,
} from './support/gateway-under-test.ts';
import { answersJson } from './support/scripted-provider.ts';

const request = { model: MODEL_ID, messages };
const HOUR_MS = 3_600_000;

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await startGateway({ trustedProxies: new AddressRanges(['127.0.0.0/8', '10.0.0.1']) });
  gateway.provider.script = answersJson({ choices: [{ message: { content: 'x' } }] });
});
afterAll(() => gateway.stop());

async function ask(
  secret: string,
  headers: Record<string, string> = {},
  body: object = request,
): Promise<{ status: number; code: string }> {
  const answer = await postChat(gateway, body, {
    headers: { authorization: `Bearer ${secret}`, ...headers },
  });
  const json = JSON.parse(await answer.text());
  return { status: answer.status, code: json.error?.code ?? '' };
}

const keyWith = (limits: Partial<SnapshotKey>): string =>
  gateway.snapshot.addKey(mintApiKey().secret, limits);

describe('a key with a list of addresses', () => {
  it('opens from these addresses only', async () => {
    const here = keyWith({ allowedAddresses: ['192.0.2.7', '127.0.0.0/8'] });
    expect(await ask(here)).toMatchObject({ status: 200 });
    const elsewhere = keyWith({ allowedAddresses: ['192.0.2.0/24', '2001:db8::/32'] });
    expect(await ask(elsewhere)).toEqual({ status: 401, code: 'api_key_inactive' });
    const refused = await fetch(`${gateway.url}/v1/models`, { headers: { 'x-api-key': elsewhere } });
    expect(refused.status).toBe(401);
    expect(await refused.json()).toMatchObject({
      type: 'error',
      error: {
        type: 'authentication_error',
        message: 'This API key may not be used from this address.',
      },
    });
  });

  it.each([
    ['the nearest hop that is no proxy of ours', '203.0.113.9, 192.0.2.7', 200],
    ['behind two proxies of ours', '192.0.2.7, 10.0.0.1', 200],
    ['not what a client wrote before it', '192.0.2.7, 203.0.113.9', 401],
    ['not an address at all', 'unknown', 401],
  ])('believes trusted proxies: %s', async (_, forwarded, status) => {
    const key = keyWith({ allowedAddresses: ['192.0.2.0/24'] });
    expect(await ask(key, { 'x-forwarded-for': forwarded })).toMatchObject({ status });
  });
});

describe('the network that a key is used from', () => {
  it('is in one record a minute, as told by trusted proxies and never as a whole address', async () => {
    const key = keyWith({});
    const { length } = gateway.spool.records;
    for (let round = 0; round < 3; round += 1) await ask(key, { 'x-forwarded-for': '203.0.113.9' });
    const records = gateway.spool.records.slice(length);
    expect(records.map(({ network }) => network)).toEqual(['203.0.113.0/24', undefined, undefined]);
    expect(JSON.stringify(records)).not.toContain('203.0.113.9');
  });
});

describe('a key with a list of models', () => {
  it('finds these models only, also behind an alias, and lists no others', async () => {
    const other = 'deepseek/deepseek-other';
    gateway.snapshot.addModel(testModel({ id: other }), [
      { upstream: testUpstream(gateway.provider.origin), providerModel: 'other' },
    ]);
    const alias = { alias: 'mine', kind: 'exact', model: other } as const;
    const key = keyWith({ allowedModels: [MODEL_ID], aliases: [alias] });
    expect(await ask(key)).toMatchObject({ status: 200 });
    expect(await ask(key, {}, { model: other, messages })).toEqual({ status: 404, code: 'model_not_found' });
    expect(await ask(key, {}, { model: 'mine', messages })).toEqual({ status: 404, code: 'model_not_found' });
    const list = await fetch(`${gateway.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    expect(((await list.json()) as { data: { id: string }[] }).data.map(({ id }) => id)).toEqual([MODEL_ID]);
    const none = keyWith({ allowedModels: [] });
    expect(await ask(none)).toEqual({ status: 404, code: 'model_not_found' });
  });
});

describe('a rotated key', () => {
  it('opens with its former secret until the set time', async () => {
    const [valid, over] = [mintApiKey().secret, mintApiKey().secret];
    const until = (secret: string, validUntilMs: number) => ({
      previousSecret: { digest: digestApiKey(secret), validUntilMs },
    });
    const current = keyWith(until(valid, systemClock.nowMs() + HOUR_MS));
    keyWith(until(over, systemClock.nowMs() - 1));
    expect(await ask(current)).toMatchObject({ status: 200 });
    expect(await ask(valid)).toMatchObject({ status: 200 });
    expect(await ask(over)).toEqual({ status: 401, code: 'invalid_api_key' });
  });

  it('is found by both secrets in the snapshot, kept once on disk and forgotten whole', () => {
    const sealingKey = parseSealingKey('5'.repeat(64));
    if (sealingKey === undefined) throw new Error('The test key is malformed');
    const store = new SnapshotStore(sealingKey);
    const key = (digest: string, previous?: string): SnapshotKey => ({
      id: 'key-1',
      digest,
      accountId: 'account-1',
      status: 'active',
      expiresAtMs: null,
      rpmLimit: 60,
      tpmLimit: 1_000,
      ...(previous === undefined ? {} : { previousSecret: { digest: previous, validUntilMs: 1 } }),
      aliases: [],
    });
    const apply = (sequence: number, state: SnapshotKey | null) =>
      store.apply({ kind: 'key', id: 'key-1', key: state }, sequence);
    const found = () => ['one', 'two', 'three'].filter((digest) => store.findKey(digest) !== undefined);
    apply(1, key('one'));
    apply(2, key('two', 'one'));
    expect(found()).toEqual(['one', 'two']);
    expect([...store.packed()].flatMap(({ bytes }) => [...textsIn(bytes)])).toHaveLength(1);
    apply(3, key('three', 'two'));
    expect(found()).toEqual(['two', 'three']);
    apply(4, null);
    expect(found()).toEqual([]);
  });
});
