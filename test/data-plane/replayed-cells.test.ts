import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProviderProtocol } from '#shared/usage-record.ts';
import { clientsAt, type OfficialClients } from '#test/dialects/cells/official-clients.ts';
import { readResponsesStream } from '#test/dialects/cells/read-responses.ts';
import {
  DIALECTS,
  type RecordedAnswer,
  readBodyWith,
  readRecording,
  readStreamWith,
  recordedAnswers,
  recordedRefusals,
} from '#test/dialects/cells/recorded-cells.ts';
import { asToldIn } from '#test/dialects/cells/told-answer.ts';
import { hasRecordings } from '#test/dialects/provider-recordings.ts';
import { type GatewayUnderTest, startGateway } from './support/gateway-under-test.ts';
import { addProtocolModel, PROTOCOLS } from './support/protocol-models.ts';

const answers = recordedAnswers();
const cells = answers.flatMap((answer) =>
  DIALECTS.map((dialect) => ({ ...answer, dialect, cell: `${answer.name} as ${dialect}` })),
);
const isWhole = ({ events }: RecordedAnswer) => events.at(-1)?.kind === 'turn_end';
const refusals = recordedRefusals().flatMap((refusal) =>
  DIALECTS.map((dialect) => ({ ...refusal, dialect, cell: `${refusal.name} as ${dialect}` })),
);

describe.skipIf(!hasRecordings)('a provider that replays recordings (needs CROSSMODEL_SHARED)', () => {
  let gateway: GatewayUnderTest;
  let clients: OfficialClients;
  const models = new Map<ProviderProtocol, string>();
  beforeAll(async () => {
    gateway = await startGateway();
    clients = clientsAt(gateway.url, gateway.secret);
    for (const protocol of PROTOCOLS)
      models.set(protocol, addProtocolModel(gateway, protocol, gateway.provider.origin));
  });
  afterAll(() => gateway.stop());

  function replay(bytes: Buffer, status: number, contentType: string): void {
    gateway.spool.records.length = 0;
    gateway.provider.script = (response) => {
      response.writeHead(status, { 'content-type': contentType });
      response.end(bytes);
    };
  }

  const ask = ({ protocol, stream, body, dialect }: (typeof cells)[number]) => {
    const model = models.get(protocol) ?? '';
    if (stream === undefined) {
      replay(body ?? Buffer.alloc(0), 200, 'application/json');
      return readBodyWith(clients, dialect, model);
    }
    replay(stream, 200, 'text/event-stream');
    // Bytes that pass hold the ids that the provider wrote, which not all keep the same as the SDK's helper wants.
    if (protocol === 'responses' && dialect === protocol) return readResponsesStream(clients.openAi, model);
    return readStreamWith(clients, dialect, model);
  };

  it.each(cells.filter(isWhole))('$cell is read by the SDK as what the provider said', async (cell) => {
    const told = await ask(cell);
    const expected = asToldIn(cell.dialect, await readRecording(cell));
    // Between equal dialects the provider's own bytes pass, so nothing is lost to the dialect.
    if (cell.protocol === cell.dialect) expect(told).toEqual(await readRecording(cell));
    else expect(told).toEqual(expected);
    expect(gateway.spool.records).toMatchObject([{ status: 'success', httpStatus: 200 }]);
  });

  it.each(cells.filter((cell) => !isWhole(cell)))('$cell is a failure to the SDK', async (cell) => {
    await expect(ask(cell)).rejects.toThrow();
    expect(gateway.spool.records).toMatchObject([{ status: 'error', costNano: '0' }]);
  });

  it.each(refusals)('$cell is judged, and says nothing about us', async (refusal) => {
    const { protocol, status, body, dialect } = refusal;
    const model = models.get(protocol) ?? '';
    for (const read of [readBodyWith, readStreamWith]) {
      replay(body, status, 'application/json');
      const error: unknown = await read(clients, dialect, model).catch((reason: unknown) => reason);
      expect(error).toMatchObject({
        status: expect.any(Number),
        requestID: expect.stringMatching(/^req_cm_/),
      });
      const seen = (error as { status: number; message: string }).status;
      if (status === 429) expect([429, 502]).toContain(seen);
      else if ([401, 402, 403].includes(status) || status >= 500) expect(seen).toBe(502);
      else expect([400, 404, 413, 502]).toContain(seen);
      expect((error as Error).message).not.toMatch(
        /platform\.openai|console\.|api.?key|org_|internal|billing/i,
      );
      expect(gateway.spool.records).toMatchObject([{ status: 'error', costNano: '0' }]);
    }
  });
});
