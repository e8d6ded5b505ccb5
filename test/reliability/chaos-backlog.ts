import { mkdirSync, renameSync } from 'node:fs';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { SpoolFiles } from '#data-plane/usage/spool-files.ts';
import type { Sql } from '#db/client.ts';
import {
  type BillableAccount,
  billedRecord,
  createBillableAccount,
  mintTestId,
} from '#test/setup/billing-fixtures.ts';

const ACCOUNTS = 40;
const SPOOLS = 20;
const LINES_PER_WRITE = 500;
const SEGMENT_BYTES = 4 * 1024 * 1024;

/** What the product still had to book when the run began. */
export interface Backlog {
  readonly records: number;
  readonly spools: readonly string[];
  /** What each account owes for them, nano-USD. */
  readonly owed: ReadonlyMap<string, bigint>;
}

/**
 * Leaves `records` records behind as data planes do that were killed before any of them was shipped: whole spools without a
 * living owner, written by the spool's own writer. The running product finds and adopts them.
 */
export async function leaveBacklog(sql: Sql, home: string, slots: number, records: number): Promise<Backlog> {
  const accounts: BillableAccount[] = [];
  while (accounts.length < ACCOUNTS) accounts.push(await createBillableAccount(sql));
  const owed = new Map<string, bigint>();
  const spools = Array.from({ length: SPOOLS }, (_, index) => `slot-${index % slots}-${mintTestId()}`);
  let written = 0;
  for (const [index, spool] of spools.entries()) {
    const end = Math.round((records * (index + 1)) / SPOOLS);
    // Written beside the spools and then moved, so that nobody adopts half of one.
    const draft = path.join(home, `draft-${spool}`);
    mkdirSync(draft, { mode: 0o700 });
    const files = new SpoolFiles(draft, SEGMENT_BYTES);
    while (written < end) {
      const lines = Array.from({ length: Math.min(LINES_PER_WRITE, end - written) }, (_, line) =>
        nextRecord(accounts, written + line, owed),
      );
      files.append(Buffer.from(`${lines.join('\n')}\n`), lines.length, false);
      written += lines.length;
      await nextTurn();
    }
    files.close();
    renameSync(draft, path.join(home, 'spool', spool));
  }
  return { records, spools, owed };
}

function nextRecord(accounts: readonly BillableAccount[], index: number, owed: Map<string, bigint>): string {
  const account = accounts[(index * 7) % accounts.length];
  if (account === undefined) throw new Error('The backlog has no accounts');
  const record = billedRecord(account, { input: 1_000 + (index % 977), output: 10 + (index % 89) });
  owed.set(account.accountId, (owed.get(account.accountId) ?? 0n) + BigInt(record.costNano));
  return JSON.stringify(record);
}

/** How many records of the backlog are booked. */
export async function bookedOf(sql: Sql, { spools }: Backlog): Promise<number> {
  const [row] = await sql<{ booked: number }[]>`
    select count(*)::int as booked from usage_records where spool_id = any(${[...spools]})`;
  return row?.booked ?? 0;
}

/** One line for each way in which the backlog was not booked exactly once. */
export async function problemsOfBacklog(sql: Sql, backlog: Backlog): Promise<string[]> {
  const problems: string[] = [];
  const booked = await bookedOf(sql, backlog);
  if (booked !== backlog.records) problems.push(`backlog: ${booked} rows of ${backlog.records} records`);
  const charged = await sql<{ account_id: string; nano: string }[]>`
    select account_id, (-sum(amount_nano))::text as nano
    from ledger_entries join ledger_accounts on ledger_accounts.id = ledger_account_id
    where account_id = any(${[...backlog.owed.keys()]}::uuid[]) group by account_id`;
  const found = new Map(charged.map((row) => [row.account_id, BigInt(row.nano)]));
  for (const [accountId, nano] of backlog.owed)
    if (found.get(accountId) !== nano)
      problems.push(
        `backlog: account ${accountId} charged ${found.get(accountId)} instead of ${nano} nano-USD`,
      );
  return problems;
}
