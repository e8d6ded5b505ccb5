import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  ALL_EVENT_TYPES,
  accountStatusChanged,
  balanceLow,
  keyDisabled,
  spendLimit,
  topUpCompleted,
  type WebhookEvent,
} from '#control-plane/webhooks/event-types.ts';
import { signMessage } from '#control-plane/webhooks/signed-message.ts';

const text = await readFile('control-plane/docs/webhooks.md', 'utf8');
const blocks = (language: string) =>
  [...text.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, 'g'))].map((match) => match[1] ?? '');

const ACCOUNT = '01a1fc00-0000-7000-8000-000000000001';
const KEY = '01a1fc00-0000-7000-8000-000000000002';
const TOP_UP = '01a1fc00-0000-7000-8000-000000000003';
const mark = { accountId: ACCOUNT, apiKeyId: KEY, period: 'month-2026-11', limitNano: 25_000_000_000n };
const EVENTS: readonly WebhookEvent[] = [
  keyDisabled(ACCOUNT, KEY),
  balanceLow(ACCOUNT, 999_600_000n, 1_000_000_000n),
  spendLimit({ ...mark, percent: 80, spentNano: 20_100_000_000n }),
  spendLimit({ ...mark, percent: 100, spentNano: 25_000_012_345n }),
  topUpCompleted(ACCOUNT, TOP_UP, 50_000_000_000n),
  accountStatusChanged(ACCOUNT, 'suspended'),
  accountStatusChanged(ACCOUNT, 'active'),
];

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const OTHER_SECRET = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;
const content = {
  eventId: KEY,
  type: 'balance.low',
  createdAt: new Date('2026-11-21T06:30:00.123Z'),
  data: { note: 'é' },
};

describe('the document about webhooks', () => {
  it('shows each event as it is sent', () => {
    const samples = blocks('json').map((block) => JSON.parse(block));
    expect(samples.map(({ type, data }) => ({ type, data }))).toEqual(
      EVENTS.map(({ type, data }) => ({ type, data })),
    );
    expect(samples.map(({ type }) => type).toSorted()).toEqual([...ALL_EVENT_TYPES].toSorted());
    for (const type of ALL_EVENT_TYPES) expect(text).toContain(`\`${type}\``);
  });

  it('verifies messages in TypeScript: genuine ones, also during a rotation, and no others', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'webhook-sample-'));
    const file = path.join(folder, 'verify.ts');
    await writeFile(file, blocks('ts')[0] ?? '');
    const { isGenuine } = (await import(pathToFileURL(file).href)) as {
      isGenuine: (secret: string, headers: Readonly<Record<string, string>>, body: string) => boolean;
    };
    const now = new Date();
    const { body, headers } = signMessage(content, [SECRET, OTHER_SECRET], now);
    expect(isGenuine(SECRET, headers, body)).toBe(true);
    expect(isGenuine(OTHER_SECRET, headers, body)).toBe(true);
    expect(isGenuine(SECRET, headers, `${body} `)).toBe(false);
    expect(isGenuine(`whsec_${Buffer.alloc(32).toString('base64')}`, headers, body)).toBe(false);
    const old = signMessage(content, [SECRET], new Date(now.getTime() - 301_000));
    expect(isGenuine(SECRET, old.headers, old.body)).toBe(false);
  });

  it('verifies them in Python, where there is one', () => {
    const { body, headers } = signMessage(content, [OTHER_SECRET, SECRET], new Date());
    const call = (secret: string) =>
      `${blocks('python')[0]}\nimport json\nprint(is_genuine(${JSON.stringify(secret)}, json.loads(${JSON.stringify(
        JSON.stringify(headers),
      )}), ${JSON.stringify(body)}.encode()))`;
    const answerOf = (secret: string) => spawnSync('python3', ['-c', call(secret)], { encoding: 'utf8' });
    const genuine = answerOf(SECRET);
    // No Python on this machine: nothing to be said about it.
    if (genuine.error !== undefined) return;
    expect([genuine.stdout.trim(), genuine.stderr]).toEqual(['True', '']);
    expect(answerOf(`whsec_${Buffer.alloc(32).toString('base64')}`).stdout.trim()).toBe('False');
  });
});
