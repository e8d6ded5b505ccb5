import { isAddressRange } from '#shared/address-range.ts';
import { formatUsd, NANO_PER_USD, parseUsd } from '#shared/money.ts';
import { type UserError, userError } from '../user-error.ts';

export const DEFAULT_RPM_LIMIT = 60;
export const DEFAULT_TPM_LIMIT = 100_000;
export const MAX_RPM_LIMIT = 1_000_000;
export const MAX_TPM_LIMIT = 1_000_000_000;
export const MAX_CONCURRENCY_LIMIT = 1_000_000;
export const MAX_ALLOWED_MODELS = 200;
export const MAX_ALLOWED_ADDRESSES = 100;
export const MAX_KEYS_PER_CALL = 1_000;
/** Above this a budget is more likely a slip of the hand than an intention. */
export const MAX_BUDGET_NANO = 1_000_000n * NANO_PER_USD;

export const BUDGET_PERIODS = ['none', 'day', 'week', 'month'] as const;
export type BudgetPeriod = (typeof BUDGET_PERIODS)[number];

/** The budget in nano-USD, or why it is none. */
export function readBudget(
  budgetUsd: string | null,
  ...path: string[]
): { readonly nano: bigint | null; readonly errors: UserError[] } {
  if (budgetUsd === null) return { nano: null, errors: [] };
  const nano = parseUsd(budgetUsd);
  if (nano !== undefined && nano > 0n && nano <= MAX_BUDGET_NANO) return { nano, errors: [] };
  const rule = `A budget is a decimal number of USD above 0 and up to ${formatUsd(MAX_BUDGET_NANO)}, such as "25.00".`;
  return { nano: null, errors: [userError('INVALID_INPUT', rule, ...path)] };
}

/** An allow-list is null (everything) or names something: an empty one would shut the key off by accident. */
export function checkListLength(
  list: readonly string[] | null,
  maxLength: number,
  ...path: string[]
): UserError[] {
  if (list === null || (list.length > 0 && list.length <= maxLength)) return [];
  const rule = `An allow-list has 1 to ${maxLength} entries; leave it out, or set null, to allow everything.`;
  return [userError('INVALID_INPUT', rule, ...path)];
}

export function checkAddresses(addresses: readonly string[] | null, ...path: string[]): UserError[] {
  const malformed = (addresses ?? []).flatMap((address, index) =>
    isAddressRange(address)
      ? []
      : [
          userError(
            'INVALID_INPUT',
            'Not an IP address or CIDR range, such as 192.0.2.7 or 2001:db8::/32.',
            ...path,
            String(index),
          ),
        ],
  );
  return [...checkListLength(addresses, MAX_ALLOWED_ADDRESSES, ...path), ...malformed];
}
