import type { WalletFigures } from './quotas.ts';

/**
 * Reads a wallet hash exactly (bigint, unlike the scripts): what may be spent is the balance minus, per spool, what was
 * granted and neither returned nor settled. `undefined`: the account has no wallet.
 */
export function readWalletFigures(fields: Readonly<Record<string, string>>): WalletFigures | undefined {
  if (fields.balance === undefined) return undefined;
  let uncollectedNano = 0n;
  for (const [field, granted] of Object.entries(fields)) {
    if (!field.startsWith('g:')) continue;
    const spool = field.slice(2);
    const outstanding =
      BigInt(granted) - BigInt(fields[`r:${spool}`] ?? 0) - BigInt(fields[`s:${spool}`] ?? 0);
    if (outstanding > 0n) uncollectedNano += outstanding;
  }
  return { spendableNano: BigInt(fields.balance) - uncollectedNano, uncollectedNano };
}
