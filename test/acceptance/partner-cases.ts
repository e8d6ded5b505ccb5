import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { choosePort } from '#control-plane/supervisor/network-ports.ts';
import type { Outside } from './outside.ts';
import { bareEnvironment } from './settings.ts';

const GUIDE = 'control-plane/docs/partners.md';
const KEYS = 1_000;
const WORKS_WITHIN_MS = 2_000;
const AT_ONCE = 25;
/** The block of the guide after which {@link EVERY_KEY} can be run. */
const ASKS = 'async function ask(';
/** What the guide's program leaves out: that all keys work, tried two seconds after the answer and not before. */
const EVERY_KEY = `
if (process.env.TRY_ALL) {
  await new Promise((resolve) => setTimeout(resolve, ${WORKS_WITHIN_MS}));
  const refused = [];
  const waiting = secrets.map((secret, index) => [secret, index % 2 ? 'fast' : 'claude-anything']);
  await Promise.all(Array.from({ length: ${AT_ONCE} }, async () => {
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const { status, body } = await ask(...next);
      if (status !== 200) refused.push([status, body.error?.code]);
    }
  }));
  process.stdout.write('refused:' + JSON.stringify(refused) + '\\n');
}
`;
const REPORT = `
process.stdout.write('report:' + JSON.stringify({
  accountId: customer.id, apiKeyIds: apiKeys.map(({ id }) => id), secrets, newSecret,
  status: answer.status, listed, balances: [funded.balance.availableUsd, partner.balance.availableUsd],
  received, tries: replayed.attempts.map(({ httpStatus }) => httpStatus),
  forged: isGenuine(webhookSecret, { 'webhook-id': 'a', 'webhook-timestamp': String(Date.now() / 1000),
    'webhook-signature': 'v1,' + Buffer.alloc(32).toString('base64') }, Buffer.from('{}')),
}) + '\\n');
`;

const reportShape = z.object({
  accountId: z.string(),
  apiKeyIds: z.array(z.string()),
  secrets: z.array(z.string()),
  newSecret: z.string(),
  status: z.number(),
  listed: z.number(),
  balances: z.array(z.string()),
  received: z.array(
    z.object({
      id: z.string(),
      type: z.string(),
      data: z.record(z.string(), z.unknown()),
      isRepetition: z.boolean(),
    }),
  ),
  tries: z.array(z.number().nullable()),
  forged: z.boolean(),
});

export function partnerCases(outside: () => Outside): void {
  describe('the program of the partner guide', () => {
    const order = randomUUID();
    let settings: Readonly<Record<string, string>>;
    let first: Run;
    beforeAll(async () => {
      const port = await choosePort(undefined);
      settings = {
        ORDER: order,
        KEY_COUNT: String(KEYS),
        WEBHOOK_URL: `http://127.0.0.1:${port}/crossmodel`,
      };
      first = await runGuide(outside(), { ...settings, TRY_ALL: 'yes' });
    }, 120_000);

    it('provisions 1,000 keys with limits and aliases, all of which work within two seconds', () => {
      expect(new Set(first.report.secrets).size).toBe(KEYS);
      expect(first.report.listed).toBe(KEYS);
      expect(first.report.status).toBe(200);
      expect(lineAfter(first.output, 'refused:')).toEqual([]);
      expect(first.report.balances).toEqual(['25.00', '475.00']);
    });

    it('hears of a disabled key by a signed message, and again when it asks for that', () => {
      const { received, tries, forged, accountId, apiKeyIds } = first.report;
      const message = {
        id: expect.any(String),
        type: 'api_key.disabled',
        data: { accountId, apiKeyId: apiKeyIds.at(-1) },
      };
      expect(received).toEqual([
        { ...message, isRepetition: false },
        { ...message, isRepetition: true },
      ]);
      expect(received[1]?.id).toBe(received[0]?.id);
      expect(tries).toEqual([204, 204]);
      expect(forged).toBe(false);
    });

    it('changes nothing when it runs again, and gets the same secrets', async () => {
      const sql = postgres(outside().product.databaseUrl, { max: 1, onnotice: () => undefined });
      const rows = async () =>
        await sql`
        select (select count(*) from accounts) as accounts, (select count(*) from api_keys) as keys,
          (select count(*) from model_aliases) as aliases, (select count(*) from access_tokens) as tokens,
          (select count(*) from audit_entries) as audited,
          (select count(*) from webhook_endpoints) as hooks, (select count(*) from webhook_attempts) as messages,
          (select count(*) from ledger_transactions where kind <> 'usage') as moves`;
      const before = await rows();
      const again = await runGuide(outside(), settings);
      expect(again.report.apiKeyIds).toEqual(first.report.apiKeyIds);
      expect(again.report.secrets).toEqual(first.report.secrets);
      expect(again.report.newSecret).toBe(first.report.newSecret);
      expect(again.report.received).toEqual([]);
      expect(await rows()).toEqual(before);
      await sql.end();
    }, 120_000);
  });
}

interface Run {
  readonly output: string;
  readonly report: z.infer<typeof reportShape>;
}

/** The guide's blocks as one program, in a process that has nothing but Node, as its reader would run it. */
async function runGuide({ product }: Outside, env: Readonly<Record<string, string>>): Promise<Run> {
  const blocks = [...readFileSync(GUIDE, 'utf8').matchAll(/^```js\n(.*?)^```$/gms)].flatMap(
    ([, code = '']) => (code.includes(ASKS) ? [code, EVERY_KEY] : [code]),
  );
  const folder = mkdtempSync(path.join(tmpdir(), 'crossmodel-partner-'));
  try {
    writeFileSync(path.join(folder, 'partner.mjs'), [...blocks, REPORT].join('\n'));
    const { stdout } = await promisify(execFile)(process.execPath, ['partner.mjs'], {
      cwd: folder,
      maxBuffer: 4_000_000,
      env: {
        PATH: bareEnvironment().PATH,
        GRAPHQL_URL: product.access.graphqlUrl,
        V1_URL: `${product.access.dataPlaneUrl}/v1`,
        OPERATOR_TOKEN: product.access.operatorToken,
        ...env,
      },
    });
    return { output: stdout, report: reportShape.parse(lineAfter(stdout, 'report:')) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function lineAfter(output: string, label: string): unknown {
  const line = output.split('\n').find((each) => each.startsWith(label));
  return line === undefined ? undefined : JSON.parse(line.slice(label.length));
}
