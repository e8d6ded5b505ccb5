import { grantCredit } from '#control-plane/ledger/grant-credit.ts';
import { postTransactions } from '#control-plane/ledger/post-transaction.ts';
import type { openDatabase } from '#db/client.ts';
import { formatUsd, type NanoUsd } from '#shared/money.ts';
import { costOf, type PriceVersion, type PublishedPriceTier, resolvePriceTier } from '#shared/price.ts';
import type { SnapshotKey } from '#shared/snapshot.ts';
import { NO_TOKENS } from '#shared/token-usage.ts';
import type { UsageRecord } from '#shared/usage-record.ts';
import {
  type BillableAccount,
  billedRecord,
  createBillableAccount,
  mintTestId,
} from '#test/setup/billing-fixtures.ts';

type Clients = ReturnType<typeof openDatabase>;

/** An account with a key, a model of its own and prices that change. */
export interface SimulatedCustomer {
  readonly account: BillableAccount;
  readonly key: SnapshotKey;
  /** Credit ever given; what requests may come to. */
  readonly credited: { nano: NanoUsd };
  /** True for an account that refunds may take below zero. */
  readonly mayOverdraw: boolean;
  prices: PriceVersion[];
}

const RPM_LIMIT = 1_000_000;
const TPM_LIMIT = 1_000_000_000;

export async function openCustomer(
  clients: Clients,
  options: {
    readonly creditNano: NanoUsd;
    readonly mayOverdraw: boolean;
    readonly budgetNano: NanoUsd | null;
  },
): Promise<SimulatedCustomer> {
  const account = await createBillableAccount(clients.sql);
  const customer: SimulatedCustomer = {
    account,
    key: {
      id: account.apiKeyId,
      digest: mintTestId(),
      accountId: account.accountId,
      status: 'active',
      expiresAtMs: null,
      rpmLimit: RPM_LIMIT,
      tpmLimit: TPM_LIMIT,
      ...(options.budgetNano !== null && {
        budget: { limitNano: options.budgetNano.toString(), period: 'none' as const },
      }),
      aliases: [],
    },
    credited: { nano: 0n },
    mayOverdraw: options.mayOverdraw,
    prices: [],
  };
  await changePrice(clients, customer, 250_000);
  await topUp(clients, customer, options.creditNano);
  return customer;
}

export async function topUp(clients: Clients, customer: SimulatedCustomer, nano: NanoUsd): Promise<void> {
  const { accountId } = customer.account;
  const outcome = await clients.database.transaction((tx) =>
    grantCredit(tx, {
      accountId,
      amountUsd: formatUsd(nano),
      reason: 'Simulated top-up',
      idempotencyKey: mintTestId(),
      promotional: false,
      expiresAt: null,
    }),
  );
  if (!outcome.ok) throw new Error(outcome.errors[0]?.message);
  customer.credited.nano += nano;
}

/** Takes credit away whatever is left of it, as a refund or a dispute does. */
export async function takeBack(clients: Clients, customer: SimulatedCustomer, nano: NanoUsd): Promise<void> {
  const { accountId } = customer.account;
  await clients.database.transaction((tx) =>
    postTransactions(tx, [
      {
        kind: 'reversal',
        idempotencyKey: mintTestId(),
        description: 'Simulated dispute',
        entries: [
          { account: { kind: 'customer_available', accountId }, amountNano: -nano },
          { account: { kind: 'adjustments' }, amountNano: nano },
        ],
      },
    ]),
  );
}

/** From now on requests are billed by a new price version. */
export async function changePrice(
  { sql }: Clients,
  customer: SimulatedCustomer,
  inputMicroPerM: number,
): Promise<void> {
  const tier: PublishedPriceTier = {
    aboveTokens: 0,
    inputMicroPerM,
    outputMicroPerM: 8 * inputMicroPerM + 1,
    cacheReadMicroPerM: null,
    cacheWrite5mMicroPerM: null,
    cacheWrite1hMicroPerM: null,
  };
  const id = mintTestId();
  const effectiveAtMs = Date.UTC(2026, 1, 1) + customer.prices.length;
  await sql`
    insert into price_versions (id, model_id, effective_at, tiers)
    values (${id}, ${customer.account.model}, ${new Date(effectiveAtMs)}, ${sql.json([{ ...tier }])})`;
  customer.prices.push({ id, effectiveAtMs, tiers: [resolvePriceTier(tier, 'test')], perRequestNano: '0' });
}

/** The record of a request that used so many tokens, by the current price. */
export function recordOf(
  customer: SimulatedCustomer,
  tokens: { input: number; output: number },
): UsageRecord {
  const price = customer.prices.at(-1);
  if (price === undefined) throw new Error('A customer has a price');
  const cost = costOf({ ...NO_TOKENS, ...tokens }, price);
  return billedRecord(customer.account, tokens, { priceVersionId: price.id, costNano: cost.toString() });
}
