import type { NanoUsd } from './money.ts';

/**
 * What requests hold, or have spent without being settled yet, in one wallet's hash: per spool what was granted and neither
 * returned nor settled, without what lies idle in slices. Exact, unlike the scripts. `settledOf` replaces the hash's own
 * settled figures where better ones are at hand.
 */
export function heldInWallet(
  fields: Readonly<Record<string, string>>,
  settledOf: (spool: string) => NanoUsd = (spool) => BigInt(fields[`s:${spool}`] ?? 0),
): NanoUsd {
  let total = 0n;
  for (const [field, amount] of Object.entries(fields)) {
    if (field.startsWith('b:')) total += BigInt(amount);
    if (!field.startsWith('g:')) continue;
    const spool = field.slice(2);
    const lent = BigInt(amount) - BigInt(fields[`r:${spool}`] ?? 0) - settledOf(spool);
    const held = lent - BigInt(fields[`i:${spool}`] ?? 0);
    // Below zero only while Redis has forgotten grants that the ledger has settled since.
    if (held > 0n) total += held;
  }
  return total;
}
