import type { Sql } from '#db/client.ts';
import { systemClock } from '#shared/clock.ts';
import { createIdMinter } from '#shared/identifiers.ts';
import { costOf, type PublishedPriceTier, resolvePriceTier } from '#shared/price.ts';
import { NO_TOKENS, type TokenUsage } from '#shared/token-usage.ts';
import { USAGE_RECORD_FORMAT, type UsageRecord } from '#shared/usage-record.ts';

export const mintTestId = createIdMinter(systemClock);

const TIER: PublishedPriceTier = {
  aboveTokens: 0,
  inputMicroPerM: 250_000,
  outputMicroPerM: 2_000_001,
  cacheReadMicroPerM: 25_000,
  cacheWrite5mMicroPerM: null,
  cacheWrite1hMicroPerM: null,
};

export interface BillableAccount {
  readonly accountId: string;
  readonly apiKeyId: string;
  readonly model: string;
  readonly priceVersionId: string;
}

/** An account and a priced model of its own, straight in the tables. */
export async function createBillableAccount(sql: Sql): Promise<BillableAccount> {
  const accountId = mintTestId();
  const priceVersionId = mintTestId();
  const model = `test/model-${priceVersionId}`;
  await sql`insert into accounts (id, name) values (${accountId}, 'Billable')`;
  await sql`
    insert into models (id, vendor, author, display_name, released_on, input_modalities, output_modalities,
      capabilities, status, provider_model)
    values (${model}, 'test', 'test', 'Test', '2026-01-01', '{text}', '{text}', '{"tools":true}', 'listed', 'm')`;
  await sql`
    insert into price_versions (id, model_id, effective_at, tiers)
    values (${priceVersionId}, ${model}, '2026-01-01', ${sql.json([{ ...TIER }])})`;
  return { accountId, apiKeyId: mintTestId(), model, priceVersionId };
}

/** A successful request's record, priced as the data plane would. */
export function billedRecord(
  account: BillableAccount,
  tokens: Partial<TokenUsage> = { input: 1_000, output: 100 },
  changes: Partial<UsageRecord> = {},
): UsageRecord {
  const usage: TokenUsage = { ...NO_TOKENS, ...tokens };
  const price = {
    id: account.priceVersionId,
    effectiveAtMs: 0,
    tiers: [resolvePriceTier(TIER, 'test')],
    perRequestNano: '0',
  };
  return {
    format: USAGE_RECORD_FORMAT,
    requestId: mintTestId(),
    accountId: account.accountId,
    apiKeyId: account.apiKeyId,
    requestedModel: account.model,
    model: account.model,
    alias: null,
    dialect: 'chat',
    lane: 'forward',
    upstream: 'mock',
    sandbox: false,
    stream: false,
    status: 'success',
    httpStatus: 200,
    errorCode: null,
    usage,
    priceVersionId: account.priceVersionId,
    costNano: costOf(usage, price).toString(),
    latencyMs: 12,
    firstTokenMs: 5,
    endUser: null,
    count: 1,
    ...changes,
  };
}

/** Ledger balance of a customer's available credit, straight from the entries. */
export async function ledgerBalanceOf(sql: Sql, accountId: string): Promise<bigint> {
  const [row] = await sql<{ balance: string }[]>`
    select coalesce(sum(amount_nano), 0)::text as balance from ledger_entries
    join ledger_accounts on ledger_accounts.id = ledger_account_id
    where account_id = ${accountId}`;
  return BigInt(row?.balance ?? 0);
}
