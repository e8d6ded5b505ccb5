/** Who is calling the control plane's API. */
export type Actor =
  | { readonly kind: 'operator'; readonly tokenId: string; readonly tokenName: string }
  | {
      readonly kind: 'management';
      readonly tokenId: string;
      readonly tokenName: string;
      /** The one account that this token may see and change. */
      readonly accountId: string;
    };

/** True when the actor may see and change things of the account. To others its objects do not exist. */
export function canReachAccount(actor: Actor, accountId: string): boolean {
  return actor.kind === 'operator' || actor.accountId === accountId;
}

/** The only account whose rows the actor may read, or `null` for all. For the `where` of every list. */
export function visibleAccountId(actor: Actor): string | null {
  return actor.kind === 'operator' ? null : actor.accountId;
}
