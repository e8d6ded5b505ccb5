import { heldInWallet } from '#shared/wallet-hash.ts';
import type { WalletFigures } from './quotas.ts';

/** Reads an account's wallet hash. `undefined`: the account has no wallet. */
export function readWalletFigures(fields: Readonly<Record<string, string>>): WalletFigures | undefined {
  if (fields.balance === undefined) return undefined;
  const uncollectedNano = heldInWallet(fields);
  return { spendableNano: BigInt(fields.balance) - uncollectedNano, uncollectedNano };
}
