import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { promptTokens } from '#shared/token-usage.ts';
import { sharedMaterialFolder } from '#test/setup/settings.ts';
import { type GatewayUnderTest, MODEL_ID, postChat, startGateway } from './support/gateway-under-test.ts';

/** One recorded exchange with a real provider of the chat family. */
interface Recording {
  readonly name: string;
  readonly status: number;
  readonly isStream: boolean;
  readonly request: Record<string, unknown>;
  readonly answer: Buffer;
  /** The provider's own reads, in bytes. */
  readonly chunks: readonly number[] | undefined;
}

const folder = sharedMaterialFolder();
const recordings = folder === undefined ? [] : readRecordings(path.join(folder, 'wire'));
const answered = recordings.filter(
  ({ status, answer }) => status === 200 && !/"error": ?\{/.test(answer.toString()),
);
const streams = answered.filter(({ isStream }) => isStream);
const bodies = answered.filter(({ isStream }) => !isStream);
const refusals = recordings.filter(({ status }) => status >= 400);

function readRecordings(wire: string): Recording[] {
  const folders = readdirSync(path.join(wire, 'openai-compatible')).map(
    (name) => `openai-compatible/${name}`,
  );
  return ['openai-chat', ...folders].flatMap((group) =>
    readdirSync(path.join(wire, group))
      .filter((file) => file.endsWith('.meta.json'))
      .flatMap((file) => {
        const stem = path.join(wire, group, file.replace('.meta.json', ''));
        const read = (ending: string): Buffer | undefined => {
          try {
            return readFileSync(stem + ending);
          } catch {
            return undefined;
          }
        };
        const meta = JSON.parse(read('.meta.json')?.toString() ?? '{}');
        const stream = read('.stream.sse');
        const answer = stream ?? read('.response.json');
        if (meta.protocol !== 'openai-chat' || answer === undefined) return [];
        const fallback = '{"messages":[{"role":"user","content":"hi"}]}';
        const request = JSON.parse(read('.request.json')?.toString() ?? fallback);
        const name = `${group}/${file.replace('.meta.json', '')}`;
        return [
          {
            name,
            status: meta.status,
            isStream: stream !== undefined,
            request,
            answer,
            chunks: meta.wire_chunks,
          },
        ];
      }),
  );
}

function pieces(recording: Recording): Buffer[] {
  const cuts = recording.chunks ?? [recording.answer.length];
  let from = 0;
  const result = cuts.map((size) => {
    from += size;
    return recording.answer.subarray(from - size, from);
  });
  return [...result, recording.answer.subarray(from)];
}

function payloads(stream: string): Record<string, unknown>[] {
  return stream
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:') && !line.includes('[DONE]'))
    .map((line) => JSON.parse(line.slice('data:'.length)));
}

/** The last total that a provider states: every class of ours must add up to it. */
function statedTotal(answers: readonly Record<string, unknown>[]): number | undefined {
  const usage = answers.map((answer) => answer.usage as { total_tokens: number } | null | undefined);
  return usage.findLast((counts) => counts !== null && counts !== undefined)?.total_tokens;
}

describe.skipIf(folder === undefined)(
  'recorded providers (needs CROSSMODEL_SHARED, the folder with recordings)',
  () => {
    let gateway: GatewayUnderTest;
    beforeAll(async () => {
      gateway = await startGateway();
    });
    afterAll(() => gateway.stop());

    async function replay(recording: Recording): Promise<{ status: number; text: string }> {
      gateway.spool.records.length = 0;
      gateway.provider.script = async (response) => {
        const type = recording.isStream ? 'text/event-stream' : 'application/json';
        response.writeHead(recording.status, { 'content-type': type });
        for (const piece of pieces(recording)) {
          response.write(piece);
          if (recording.chunks !== undefined) await new Promise((resolve) => setImmediate(resolve));
        }
        response.end();
      };
      const { stream_options: _, ...request } = recording.request;
      const answer = await postChat(gateway, { ...request, model: MODEL_ID, stream: recording.isStream });
      let text = '';
      try {
        for await (const piece of answer.body ?? []) text += Buffer.from(piece).toString('latin1');
      } catch {
        text += '<cut>';
      }
      return { status: answer.status, text: Buffer.from(text, 'latin1').toString() };
    }

    function expectTotal(total: number | undefined): void {
      const [record] = gateway.spool.records;
      expect(record?.status).toBe('success');
      expect(record?.usage.source).toBe(total === undefined ? 'estimated' : 'upstream');
      if (record !== undefined && total !== undefined)
        expect(promptTokens(record.usage) + record.usage.output).toBe(total);
    }

    it('there are recordings to replay', () => {
      expect([streams.length, bodies.length, refusals.length].every((count) => count > 5)).toBe(true);
    });

    it.each(streams.map((recording) => [recording.name, recording] as const))(
      'streams %s unchanged',
      async (_, recording) => {
        const { status, text } = await replay(recording);
        expect(status).toBe(200);
        const source = recording.answer.toString();
        const sent = payloads(source);
        const wanted = sent.filter(
          ({ choices, usage }) => !(Array.isArray(choices) && choices.length === 0 && usage),
        );
        expect(payloads(text)).toEqual(
          wanted.map((event) => ('model' in event ? { ...event, model: MODEL_ID } : event)),
        );
        expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true);
        const models = new Set(sent.map(({ model }) => model));
        if (models.size === 1 && wanted.length === sent.length && source.includes('[DONE]')) {
          expect(text.replaceAll(JSON.stringify(MODEL_ID), JSON.stringify([...models][0]))).toBe(source);
        }
        expectTotal(statedTotal(sent));
      },
    );

    it.each(bodies.map((recording) => [recording.name, recording] as const))(
      'passes %s unchanged',
      async (_, recording) => {
        const { status, text } = await replay(recording);
        const source = JSON.parse(recording.answer.toString());
        expect([status, JSON.parse(text)]).toEqual([200, { ...source, model: MODEL_ID }]);
        expectTotal(statedTotal([source]));
      },
    );

    it.each(refusals.map((recording) => [recording.name, recording] as const))(
      'judges %s',
      async (_, recording) => {
        const { status, text } = await replay(recording);
        const { error } = JSON.parse(text);
        const aboutUs = [401, 402, 403, 404].includes(recording.status);
        const expected = aboutUs
          ? [502, 'provider_error']
          : recording.status === 429
            ? [429, 'rate_limit_error']
            : [400, 'invalid_request_error'];
        expect([status, error.type]).toEqual(expected);
        expect(text).not.toMatch(/platform\.openai|console\.|API key|org_|user_/);
        expect(gateway.spool.records).toMatchObject([{ status: 'error', costNano: '0' }]);
      },
    );

    it('an error inside a 200 is never a success', async () => {
      const broken = recordings.filter(
        ({ status, answer }) => status === 200 && /"error": ?\{/.test(answer.toString()),
      );
      expect(broken.length).toBeGreaterThan(2);
      for (const recording of broken) {
        const { text } = await replay(recording);
        expect(text, recording.name).toMatch(/"type":"(provider_error|invalid_request_error)"/);
        expect(text).not.toContain('[DONE]');
        expect(gateway.spool.records).toMatchObject([{ status: 'error', costNano: '0' }]);
      }
    });
  },
);
