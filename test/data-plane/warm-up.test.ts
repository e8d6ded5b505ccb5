import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { warmUp } from '#data-plane/warm-up.ts';
import { type GatewayUnderTest, startGateway } from './support/gateway-under-test.ts';

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

describe('warming up', () => {
  it('ends soon and touches neither a provider nor quotas, spool or log of the real gateway', async () => {
    const startedAtMs = performance.now();
    await warmUp(gateway.gateway);
    expect(performance.now() - startedAtMs).toBeLessThan(4_000);
    expect(gateway.provider.requests).toEqual([]);
    expect(gateway.quotas.held).toEqual([]);
    expect(gateway.spool.records).toEqual([]);
    expect(gateway.logLines).toEqual([]);
  });

  it('runs whole requests, streamed and not', async () => {
    const seen: string[] = [];
    const spying = {
      ...gateway.gateway,
      upstreams: {
        close: async () => {},
        send: (
          request: Parameters<typeof gateway.gateway.upstreams.send>[0],
          handler: Parameters<typeof gateway.gateway.upstreams.send>[1],
        ) => {
          let text = '';
          return gateway.gateway.upstreams.send(request, {
            onHead: (status) => seen.push(`${status}`),
            onData: (piece) => {
              text += piece;
            },
            onEnd: () => {
              seen.push(text);
              handler.onEnd();
            },
            onFailure: (failure) => handler.onFailure(failure),
          });
        },
      },
    };
    await warmUp(spying);
    expect(new Set(seen.filter((text) => text.length === 3))).toEqual(new Set(['200']));
    expect(seen.some((text) => text.endsWith('data: [DONE]\n\n'))).toBe(true);
    expect(seen.some((text) => text.startsWith('{"model":"rehearsal/model"'))).toBe(true);
  });
});
