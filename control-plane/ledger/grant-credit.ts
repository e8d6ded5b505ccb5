import { eq, sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { accounts } from '#db/schema/accounts.ts';
import { systemClock } from '#shared/clock.ts';
import { formatUsd, NANO_PER_USD, parseUsd } from '#shared/money.ts';
import { checkText } from '../input-rules.ts';
import { type Outcome, refused, succeeded, type UserError, userError } from '../user-error.ts';
import { postTransactions } from './post-transaction.ts';
import { openPromotionalGrant } from './promotional-grants.ts';

/** A grant above this is more likely a slip of the hand than an intention. */
export const MAX_GRANT_NANO = 1_000_000n * NANO_PER_USD;
const MAX_REASON_LENGTH = 500;

export interface CreditGrant {
  readonly accountId: string;
  readonly amountUsd: string;
  readonly reason: string;
  /** Posts once, ever. */
  readonly idempotencyKey: string;
  /** Spent before paid credit. */
  readonly promotional: boolean;
  /** For promotional credit: when what is left of it goes; `null` for never. */
  readonly expiresAt: Date | null;
}

/**
 * Gives an account credit, against the adjustments account. Repeated with the same idempotency key, account and amount it
 * returns the first posting, with others it is refused.
 */
export async function grantCredit(
  tx: Transaction,
  input: CreditGrant,
): Promise<Outcome<{ ledgerEntryId: string; accountId: string }>> {
  const amountNano = parseUsd(input.amountUsd);
  const errors = [
    ...checkText(input.reason, 'A reason', MAX_REASON_LENGTH, ['reason']),
    ...checkExpiry(input),
  ];
  if (amountNano === undefined || amountNano <= 0n || amountNano > MAX_GRANT_NANO)
    errors.push(
      userError(
        'INVALID_INPUT',
        `The amount is a decimal number of USD above 0 and up to ${formatUsd(MAX_GRANT_NANO)}, such as "25.00".`,
        'amountUsd',
      ),
    );
  if (errors.length > 0 || amountNano === undefined) return refused(errors);
  const [account] = await tx
    .select({ id: accounts.id })
    .from(accounts)
    .where(eq(accounts.id, input.accountId));
  if (!account) return refused([userError('NOT_FOUND', 'No such account.', 'accountId')]);
  const accountId = account.id;
  const [posted] = await postTransactions(tx, [
    {
      kind: input.promotional ? 'promotional_grant' : 'credit_grant',
      idempotencyKey: input.idempotencyKey,
      description: input.reason,
      entries: [
        {
          account: { kind: input.promotional ? 'customer_promotional' : 'customer_available', accountId },
          amountNano,
        },
        { account: { kind: 'adjustments' }, amountNano: -amountNano },
      ],
    },
  ]);
  const transactionId = posted?.id ?? '';
  if (input.promotional && posted?.created === true)
    await openPromotionalGrant(tx, { accountId, transactionId, amountNano, expiresAt: input.expiresAt });
  const ledgerEntryId = await customerEntryOf(tx, transactionId, { ...input, accountId, amountNano });
  if (ledgerEntryId === undefined)
    return refused([
      userError(
        'IDEMPOTENCY_KEY_REUSED',
        'This idempotency key has posted another grant before.',
        'idempotencyKey',
      ),
    ]);
  return succeeded({ ledgerEntryId, accountId });
}

function checkExpiry({ promotional, expiresAt }: CreditGrant): UserError[] {
  if (expiresAt === null) return [];
  if (!promotional) return [userError('INVALID_INPUT', 'Only promotional credit expires.', 'expiresAt')];
  return expiresAt.getTime() > systemClock.nowMs()
    ? []
    : [userError('INVALID_INPUT', 'Credit expires in the future.', 'expiresAt')];
}

/** The entry that credits the customer; `undefined` when the transaction is another grant. */
async function customerEntryOf(
  tx: Transaction,
  transactionId: string,
  grant: { readonly accountId: string; readonly amountNano: bigint; readonly promotional: boolean },
): Promise<string | undefined> {
  const [entry] = await tx.execute<{ id: string }>(sql`
    select ledger_entries.id
    from ledger_entries
    join ledger_accounts on ledger_accounts.id = ledger_entries.ledger_account_id
    where ledger_entries.transaction_id = ${transactionId}
      and ledger_accounts.account_id = ${grant.accountId}
      and ledger_accounts.kind = ${grant.promotional ? 'customer_promotional' : 'customer_available'}
      and ledger_entries.amount_nano = ${grant.amountNano.toString()}::bigint`);
  return entry?.id;
}
