import { sql } from 'drizzle-orm';
import type { ledgerTransactions } from '#db/schema/ledger.ts';
import { systemClock } from '#shared/clock.ts';
import { createIdMinter } from '#shared/identifiers.ts';
import type { NanoUsd } from '#shared/money.ts';
import type { SqlExecutor } from './sql-executor.ts';

/** Postgres channel that wakes the balance publisher; the payload is an account id. */
export const BALANCE_CHANGED_CHANNEL = 'balance_changed';
/** Postgres channel for settlements outside of the ingest, whose spools' figures are to be published too; an account id. */
export const SETTLED_NOTICE = 'usage_settled';

export type LedgerAccountRef =
  | { readonly kind: 'customer_available' | 'customer_promotional'; readonly accountId: string }
  | { readonly kind: 'usage_revenue' | 'stripe_clearing' | 'fees' | 'refunds' | 'disputes' | 'adjustments' };

export type LedgerTransactionKind = (typeof ledgerTransactions.$inferSelect)['kind'];

export interface LedgerPosting {
  /** Chosen by the caller when other rows must name the transaction; minted here otherwise. */
  readonly id?: string;
  readonly kind: LedgerTransactionKind;
  /** The same key posts once, ever. */
  readonly idempotencyKey: string;
  readonly description: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Sum to zero; positive increases what the ledger account is owed. */
  readonly entries: readonly { readonly account: LedgerAccountRef; readonly amountNano: NanoUsd }[];
}

export interface PostedTransaction {
  readonly id: string;
  /** False when the idempotency key had been posted before; nothing was written then. */
  readonly created: boolean;
}

const mintId = createIdMinter(systemClock);

/**
 * The one writer of the ledger. Posts balanced transactions, moves the cached balances with them and wakes the balance
 * publisher (for usage, whoever settles it publishes the balance with it), all inside the caller's database transaction. Idempotent per `idempotencyKey`. The result has one element
 * per posting, in order. Throws when a posting does not balance: that is a bug of the caller.
 */
export async function postTransactions(
  tx: SqlExecutor,
  postings: readonly LedgerPosting[],
): Promise<PostedTransaction[]> {
  if (postings.length === 0) return [];
  for (const posting of postings) {
    const sum = posting.entries.reduce((total, entry) => total + entry.amountNano, 0n);
    if (sum !== 0n || posting.entries.length < 2)
      throw new Error(`Ledger posting ${posting.kind} does not balance`);
  }
  const rows = postings.map((posting) => ({
    id: posting.id ?? mintId(),
    kind: posting.kind,
    idempotency_key: posting.idempotencyKey,
    description: posting.description,
    metadata: posting.metadata ?? {},
  }));
  const created = await tx.execute<{ id: string; idempotency_key: string }>(sql`
    insert into ledger_transactions (id, kind, idempotency_key, description, metadata)
    select id, kind, idempotency_key, description, metadata
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
      as posting (id uuid, kind text, idempotency_key text, description text, metadata jsonb)
    on conflict (idempotency_key) do nothing
    returning id, idempotency_key`);
  const createdIds = new Set(created.map((row) => row.id));
  const written = postings.flatMap((posting, index) => {
    const id = rows[index]?.id ?? '';
    return createdIds.has(id) ? [{ id, posting }] : [];
  });
  if (written.length > 0) {
    const ledgerAccountIds = await openLedgerAccounts(
      tx,
      written.map((row) => row.posting),
    );
    await insertEntries(tx, written, ledgerAccountIds);
  }
  return await resultsInOrder(tx, rows, createdIds);
}

function accountKey(ref: LedgerAccountRef): string {
  return 'accountId' in ref ? `${ref.kind}:${ref.accountId}` : ref.kind;
}

/** Ids of the ledger accounts that the postings touch, opening the ones that do not exist yet. */
async function openLedgerAccounts(
  tx: SqlExecutor,
  postings: readonly LedgerPosting[],
): Promise<ReadonlyMap<string, string>> {
  const wanted = new Map<string, { id: string; kind: string; account_id: string | null }>();
  for (const posting of postings)
    for (const { account } of posting.entries)
      wanted.set(accountKey(account), {
        id: mintId(),
        kind: account.kind,
        account_id: 'accountId' in account ? account.accountId : null,
      });
  const json = JSON.stringify([...wanted.values()]);
  await tx.execute(sql`
    insert into ledger_accounts (id, kind, account_id)
    select id, kind, account_id
    from jsonb_to_recordset(${json}::text::jsonb) as wanted (id uuid, kind text, account_id uuid)
    on conflict do nothing`);
  const found = await tx.execute<{ id: string; kind: string; account_id: string | null }>(sql`
    select ledger_accounts.id, ledger_accounts.kind, ledger_accounts.account_id
    from ledger_accounts
    join jsonb_to_recordset(${json}::text::jsonb) as wanted (kind text, account_id uuid)
      on ledger_accounts.kind = wanted.kind and ledger_accounts.account_id is not distinct from wanted.account_id`);
  return new Map(
    found.map((row) => [row.account_id === null ? row.kind : `${row.kind}:${row.account_id}`, row.id]),
  );
}

async function insertEntries(
  tx: SqlExecutor,
  written: readonly { id: string; posting: LedgerPosting }[],
  ledgerAccountIds: ReadonlyMap<string, string>,
): Promise<void> {
  const entries = written.flatMap(({ id, posting }) =>
    posting.entries.map((entry) => ({
      id: mintId(),
      transaction_id: id,
      ledger_account_id: ledgerAccountIds.get(accountKey(entry.account)),
      amount_nano: entry.amountNano.toString(),
    })),
  );
  const json = JSON.stringify(entries);
  await tx.execute(sql`
    insert into ledger_entries (id, transaction_id, ledger_account_id, amount_nano)
    select id, transaction_id, ledger_account_id, amount_nano
    from jsonb_to_recordset(${json}::text::jsonb)
      as entry (id uuid, transaction_id uuid, ledger_account_id uuid, amount_nano bigint)`);
  // Ordered by account, so that two postings that touch the same balances never wait for each other crosswise.
  await tx.execute(sql`
    insert into ledger_balances (ledger_account_id, balance_nano, sequence)
    select ledger_account_id, sum(amount_nano), 1
    from jsonb_to_recordset(${json}::text::jsonb) as entry (ledger_account_id uuid, amount_nano bigint)
    group by ledger_account_id
    order by ledger_account_id
    on conflict (ledger_account_id) do update
      set balance_nano = ledger_balances.balance_nano + excluded.balance_nano,
          sequence = ledger_balances.sequence + 1`);
  // Who settles usage publishes it as well, together with what it has settled.
  const customers = new Set(
    written.flatMap(({ posting }) =>
      posting.kind === 'usage'
        ? []
        : posting.entries.flatMap(({ account }) => ('accountId' in account ? [account.accountId] : [])),
    ),
  );
  if (customers.size === 0) return;
  await tx.execute(sql`
    select pg_notify(${BALANCE_CHANGED_CHANNEL}, account_id)
    from jsonb_array_elements_text(${JSON.stringify([...customers])}::text::jsonb) as account_id`);
}

async function resultsInOrder(
  tx: SqlExecutor,
  rows: readonly { id: string; idempotency_key: string }[],
  createdIds: ReadonlySet<string>,
): Promise<PostedTransaction[]> {
  const repeated = rows.filter((row) => !createdIds.has(row.id)).map((row) => row.idempotency_key);
  const earlier =
    repeated.length === 0
      ? []
      : await tx.execute<{ id: string; idempotency_key: string }>(sql`
          select id, idempotency_key from ledger_transactions
          where idempotency_key in (select jsonb_array_elements_text(${JSON.stringify(repeated)}::text::jsonb))`);
  const idByKey = new Map(earlier.map((row) => [row.idempotency_key, row.id]));
  return rows.map((row) =>
    createdIds.has(row.id)
      ? { id: row.id, created: true }
      : { id: idByKey.get(row.idempotency_key) ?? row.id, created: false },
  );
}
