import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { ClientProduct } from './client-product.ts';
import { addressed, runProgram, runShell, snippetsOf } from './guide-snippets.ts';

const PROGRAMS = [
  'openai-sdk.md',
  'anthropic-sdk.md',
  'openai-agents-sdk.md',
  'vercel-ai-sdk.md',
  'langchain.md',
].flatMap((guide) => snippetsOf(guide, 'js').map((source, index) => ({ guide, index, source })));

/** The guides, as somebody who copies them line by line. */
export function guideProgramCases(current: () => ClientProduct): void {
  it.each(PROGRAMS)('the program $index of $guide runs and says something', async ({ source }) => {
    const { code, stdout, stderr } = await runProgram(addressed(source, current()), {
      CROSSMODEL_KEY: current().apiKey,
    });
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('Error')]);
    expect(stdout).toMatch(/hello|18 degrees|celsius|feature/i);
  });
}

export function guideShellCases(current: () => ClientProduct): void {
  describe('the shell commands of', () => {
    it.each(['curl.md', 'cursor.md'])('%s get answers', async (guide) => {
      const commands = snippetsOf(guide, 'sh');
      expect(commands.length).toBeGreaterThan(0);
      for (const source of commands) {
        const ran = await runShell(addressed(source, current()), tmpdir(), {
          CROSSMODEL_KEY: current().apiKey,
        });
        expect([ran.code, ran.stderr]).toEqual([0, '']);
        expect(ran.stdout).toMatch(/^(\{|data: \{)/);
      }
    });

    it('clients.md find the key and give it an alias that works', async () => {
      const { access } = current().product;
      const [source = ''] = snippetsOf('clients.md', 'sh');
      const [find = '', set = ''] = addressed(source, current()).split('\n\n');
      const env = { MANAGEMENT_TOKEN: access.managementToken, ACCOUNT_ID: access.accountId };
      const found = JSON.parse((await runShell(find, tmpdir(), env)).stdout);
      const API_KEY_ID = foundKeys.parse(found).data.account.apiKeys.edges[0]?.node.id ?? '';
      const answer = JSON.parse((await runShell(set, tmpdir(), { ...env, API_KEY_ID })).stdout);
      expect(answer.data).toEqual({ modelAliasSet: { userErrors: [] } });
      await expect.poll(() => statusOf(current(), 'claude-opus-5-5'), { timeout: 5_000 }).toBe(200);
      expect(await statusOf(current(), 'nobody-knows')).toBe(404);
    });
  });
}

const foundKeys = z.object({
  data: z.object({
    account: z.object({
      apiKeys: z.object({ edges: z.array(z.object({ node: z.object({ id: z.string() }) })) }),
    }),
  }),
});

async function statusOf({ host, product }: ClientProduct, model: string): Promise<number> {
  const response = await fetch(`${host}/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': product.access.apiKey },
    body: JSON.stringify({ model, max_tokens: 16, messages: [{ role: 'user', content: 'Hi' }] }),
  });
  await response.arrayBuffer();
  return response.status;
}
