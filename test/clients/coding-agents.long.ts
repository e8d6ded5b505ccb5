import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type ClientProduct, MODELS, openClientProduct } from './client-product.ts';
import { claude, codex, guideCommands, openWorkplace, type Workplace } from './coding-agents.ts';
import type { Ran } from './guide-snippets.ts';
import { missingTree } from './installed.ts';

const START_TIMEOUT_MS = 180_000;
const missing = missingTree('command-line');

const claudeResult = z.object({
  is_error: z.boolean(),
  subtype: z.string(),
  result: z.string(),
  num_turns: z.number(),
});
const codexEvent = z.looseObject({
  type: z.string(),
  item: z
    .looseObject({
      type: z.string(),
      text: z.string().optional(),
      aggregated_output: z.string().optional(),
      exit_code: z.number().nullish(),
    })
    .optional(),
});

/** Coding agents as people run them, in scripted sessions whose tools really work, on models of every protocol. */
describe.skipIf(missing !== undefined)(`coding agents${missing ? ` (${missing})` : ''}`, () => {
  let product: ClientProduct | undefined;
  let workplace: Workplace | undefined;
  const current = (): ClientProduct => {
    if (!product) throw new Error('The product is not running');
    return product;
  };
  const place = (): Workplace => {
    if (!workplace) throw new Error('There is no workplace');
    return workplace;
  };
  beforeAll(async () => {
    product = await openClientProduct();
  }, START_TIMEOUT_MS);
  afterAll(() => product?.close(), START_TIMEOUT_MS);
  beforeEach(() => {
    workplace = openWorkplace(current());
  });
  afterEach(() => workplace?.close());
  const written = (name: string): string => readFileSync(path.join(place().project, name), 'utf8');

  describe.each(Object.entries(MODELS))('and a provider of the protocol %s', (_, model) => {
    it('Claude Code writes a file, looks at it with two tools at once, and goes on in a second prompt', async () => {
      const file = path.join(place().project, 'notes.txt');
      const first = await claude(
        place(),
        model,
        `sandbox:call:Write ${JSON.stringify({ file_path: file, content: 'from a tool\n' })}
sandbox:call:Bash [{"command":"cat notes.txt"},{"command":"wc -c notes.txt"}]`,
      );
      const ended = resultOf(first);
      expect(ended).toMatchObject({ is_error: false, subtype: 'success' });
      expect(ended.result).toContain('from a tool');
      expect(ended.result).toContain('12 notes.txt');
      expect(written('notes.txt')).toBe('from a tool\n');
      const edit = { file_path: file, old_string: 'a tool', new_string: 'two tools' };
      const second = await claude(place(), model, `sandbox:call:Edit ${JSON.stringify(edit)}`, '--continue');
      expect(resultOf(second)).toMatchObject({ is_error: false });
      expect(written('notes.txt')).toBe('from two tools\n');
    });

    it('Codex writes a file, looks at it with two tools at once, and goes on in a second prompt', async () => {
      const first = eventsOf(
        await codex(
          place(),
          model,
          `sandbox:call:exec_command {"cmd":"echo from a tool > notes.txt"}
sandbox:call:exec_command [{"cmd":"cat notes.txt"},{"cmd":"wc -c notes.txt"}]`,
        ),
      );
      const commands = first.filter(
        ({ type, item }) => type === 'item.completed' && item?.type === 'command_execution',
      );
      expect(commands.map(({ item }) => item?.exit_code)).toEqual([0, 0, 0]);
      const outputs = commands.map(({ item }) => item?.aggregated_output);
      // Two that run at once end in either order.
      expect(outputs.toSorted()).toEqual(['', '12 notes.txt\n', 'from a tool\n']);
      expect(first.at(-1)?.type).toBe('turn.completed');
      expect(written('notes.txt')).toBe('from a tool\n');
      const prompt = 'sandbox:call:exec_command {"cmd":"echo again >> notes.txt"}';
      const second = eventsOf(await codex(place(), model, 'resume', '--last', prompt));
      expect(second.at(-1)?.type).toBe('turn.completed');
      expect(written('notes.txt')).toBe('from a tool\nagain\n');
    });

    // Without the agent's own retries, a moment in which a busy machine's Redis counts as away (503) would show instead.
    it('both say plainly when the provider fails', { retry: 3 }, async () => {
      const env = { ...place().env, CLAUDE_CODE_MAX_RETRIES: '0' };
      const failed = resultOf(await claude({ ...place(), env }, model, 'sandbox:error:500'));
      expect(failed).toMatchObject({ is_error: true, result: expect.stringContaining('502') });
      const once = ['request_max_retries', 'stream_max_retries'].flatMap((name) => [
        '-c',
        `model_providers.crossmodel.${name}=0`,
      ]);
      const refused = await codex(place(), model, ...once, 'sandbox:error:500');
      expect(refused.code).toBe(1);
      expect(eventsOf(refused).map(({ type }) => type)).toContain('turn.failed');
    });
  });

  it('Claude Code finds its own model names by an alias of the key', async () => {
    const { operator, customer } = current();
    await operator.setAlias(customer.apiKeyId, 'claude-', 'PREFIX', MODELS.gemini);
    await expect
      .poll(async () => resultOf(await claude(place(), undefined, 'Say hello')).result, { timeout: 20_000 })
      .toBe('Hello from the CrossModel sandbox.');
  });

  it('Claude Code says at once that a key is wrong', async () => {
    const env = { ...place().env, ANTHROPIC_AUTH_TOKEN: 'cm-wrong' };
    const { result, is_error } = resultOf(await claude({ ...place(), env }, MODELS.chat, 'Say hello'));
    expect({ result, is_error }).toEqual({ result: expect.stringContaining('401'), is_error: true });
  });

  it.each(['claude-code.md', 'codex.md'])('the commands of %s do what they say', async (guide) => {
    const { code, stdout } = await guideCommands(place(), guide, current());
    expect([code, stdout]).toEqual([0, expect.stringContaining('Hello from the CrossModel sandbox.')]);
  });
});

function resultOf({ stdout, stderr }: Ran): z.infer<typeof claudeResult> {
  try {
    return claudeResult.parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''));
  } catch (error) {
    throw new Error(`Claude Code said no result: ${stdout}\n${stderr}`, { cause: error });
  }
}

function eventsOf({ stdout }: Ran): z.infer<typeof codexEvent>[] {
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => codexEvent.parse(JSON.parse(line)));
}
