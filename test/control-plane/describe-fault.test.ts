import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeFault, failureLine } from '#control-plane/describe-fault.ts';
import type { Sql } from '#db/client.ts';
import { testDatabaseUrl } from '#test/setup/test-backends.ts';

let client: Sql;
beforeAll(async () => {
  client = postgres(await testDatabaseUrl(), { max: 1, onnotice: () => undefined });
});
afterAll(() => client.end());

async function failureOf(query: Promise<unknown>): Promise<unknown> {
  return await query.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('what a log says about a failed query', () => {
  it('names the cause and leaves out the statement and its values', async () => {
    const error = await failureOf(
      drizzle(client).execute(
        sql`insert into accounts (id, name) values (${'0'.repeat(8)}, ${'canary-name'})`,
      ),
    );
    expect(String(error)).toContain('canary-name');
    const fault = describeFault(error);
    expect(fault.code).toBe('22P02');
    expect(JSON.stringify(fault)).not.toContain('canary-name');
    expect(failureLine(error)).not.toContain('canary-name');
  });

  it('keeps the constraint', async () => {
    const error = await failureOf(
      drizzle(client).execute(sql`insert into config_sequence (id, sequence) values (2, 0)`),
    );
    expect(describeFault(error)).toMatchObject({ code: '23514', constraint: 'config_sequence_single' });
  });

  it('keeps the message of other errors, and the type of what is none', () => {
    expect(failureLine(new RangeError('too far'))).toBe('too far');
    expect(describeFault('thrown text')).toEqual({ type: 'string' });
    expect(failureLine('thrown text')).toBe('string');
  });
});
