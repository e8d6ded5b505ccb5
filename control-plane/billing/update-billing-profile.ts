import { eq } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { accounts } from '#db/schema/accounts.ts';
import { billingProfiles } from '#db/schema/billing.ts';
import { checkText } from '../input-rules.ts';
import { type Outcome, refused, succeeded, type UserError, userError } from '../user-error.ts';

const MAX_LINE_LENGTH = 128;
const MAX_ADDRESS_LINES = 6;

/** `undefined` leaves a field as it is, `null` clears it. */
export interface BillingProfileChange {
  readonly accountId: string;
  readonly companyName: string | null | undefined;
  readonly taxId: string | null | undefined;
  /** Lines, separated by line feeds. */
  readonly billingAddress: string | null | undefined;
}

/** Changes what receipts and statements say about who pays. Also those of the past: their figures never change. */
export async function updateBillingProfile(
  tx: Transaction,
  { accountId, companyName, taxId, billingAddress }: BillingProfileChange,
): Promise<Outcome<{ accountId: string }>> {
  const [account] = await tx.select({ id: accounts.id }).from(accounts).where(eq(accounts.id, accountId));
  if (account === undefined) return refused([userError('NOT_FOUND', 'No such account.', 'accountId')]);
  const errors = [
    ...checkLine(companyName, 'A company name', 'companyName'),
    ...checkLine(taxId, 'A tax number', 'taxNumber'),
    ...checkAddress(billingAddress),
  ];
  if (errors.length > 0) return refused(errors);
  const changes = {
    ...(companyName !== undefined && { companyName }),
    ...(taxId !== undefined && { taxId }),
    ...(billingAddress !== undefined && { billingAddress }),
  };
  const profile = tx.insert(billingProfiles).values({ accountId, ...changes });
  await (Object.keys(changes).length === 0
    ? profile.onConflictDoNothing()
    : profile.onConflictDoUpdate({ target: billingProfiles.accountId, set: changes }));
  return succeeded({ accountId });
}

function checkLine(value: string | null | undefined, what: string, path: string): UserError[] {
  return value == null ? [] : checkText(value, what, MAX_LINE_LENGTH, [path]);
}

function checkAddress(value: string | null | undefined): UserError[] {
  if (value == null) return [];
  const lines = value.split('\n');
  if (lines.length > MAX_ADDRESS_LINES)
    return [
      userError('INVALID_INPUT', `An address has at most ${MAX_ADDRESS_LINES} lines.`, 'billingAddress'),
    ];
  return lines
    .flatMap((line) => checkText(line, 'A line of an address', MAX_LINE_LENGTH, ['billingAddress']))
    .slice(0, 1);
}
