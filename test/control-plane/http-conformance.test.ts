import { serverAudits } from 'graphql-http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from './api-fixture.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ development: true });
});
afterAll(() => api.close());

describe('GraphQL over HTTP', () => {
  // In development, because one audit reads the schema, which production shows nobody.
  it('is spoken as the public audit suite wants it: what must be, what should be, what may be', async () => {
    const audits = serverAudits({
      url: api.url,
    });
    expect(audits.length).toBeGreaterThan(50);
    const failed: string[] = [];
    for (const audit of audits) {
      const result = await audit.fn();
      if (result.status !== 'ok') failed.push(`${result.status} ${result.name}: ${result.reason}`);
    }
    expect(failed).toEqual([]);
  });
});
