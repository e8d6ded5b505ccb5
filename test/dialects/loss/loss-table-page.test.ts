import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { lossTablePage } from '#data-plane/dialects/loss-table-page.ts';

describe('the published loss table', () => {
  it('says what the code does (npm run docs:loss writes it anew)', () => {
    const published = readFileSync(
      new URL('../../../data-plane/docs/loss-table.md', import.meta.url),
      'utf8',
    );
    expect(published).toBe(lossTablePage());
  });
});
