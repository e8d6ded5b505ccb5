import { and, inArray, or } from 'drizzle-orm';
import type { Database, Transaction } from '#db/client.ts';
import { accounts } from '#db/schema/accounts.ts';
import { includesPermission, type Permission, ROLE_PERMISSIONS, type Role } from './permissions.ts';

/** Who is calling the control plane's API. */
export type Actor =
  | { readonly kind: 'operator'; readonly tokenId: string; readonly tokenName: string }
  | {
      readonly kind: 'management';
      readonly tokenId: string;
      readonly tokenName: string;
      /** The account that this token belongs to. */
      readonly accountId: string;
      readonly scopes: readonly Permission[];
    }
  | {
      readonly kind: 'user';
      readonly userId: string;
      readonly email: string;
      readonly name: string;
      readonly emailVerified: boolean;
      /** The accounts that the person is a member of. */
      readonly roles: ReadonlyMap<string, Role>;
    };

/**
 * Where somebody may do one thing: everywhere, or in these accounts and the customer accounts that they own. A verb is
 * given the reach of its own permission and treats everything outside it as non-existent.
 */
export type Reach = 'everywhere' | { readonly accountIds: readonly string[] };

/** The accounts in which the actor has the permission; those of customers follow from their partner. */
export function reachOf(actor: Actor, permission: Permission): Reach {
  if (actor.kind === 'operator') return 'everywhere';
  return {
    accountIds: ownAccountIds(actor).filter((accountId) =>
      includesPermission(permissionsIn(actor, accountId), permission),
    ),
  };
}

/** The accounts that the actor belongs to itself; none for operators, who belong to no account. */
export function ownAccountIds(actor: Actor): readonly string[] {
  if (actor.kind === 'operator') return [];
  return actor.kind === 'management' ? [actor.accountId] : [...actor.roles.keys()];
}

/** What the actor may do in an account that it belongs to. */
export function permissionsIn(
  actor: Exclude<Actor, { kind: 'operator' }>,
  accountId: string,
): readonly Permission[] {
  if (actor.kind === 'management') return actor.accountId === accountId ? actor.scopes : [];
  const role = actor.roles.get(accountId);
  return role === undefined ? [] : ROLE_PERMISSIONS[role];
}

/** True when the account exists within the reach. One query at most. */
export async function reachesAccount(
  database: Database | Transaction,
  reach: Reach,
  accountId: string,
): Promise<boolean> {
  return (await accountsWithin(database, reach, [accountId])).has(accountId);
}

/** Those of the accounts that exist within the reach. One query at most. */
export async function accountsWithin(
  database: Database | Transaction,
  reach: Reach,
  accountIds: readonly string[],
): Promise<ReadonlySet<string>> {
  const wanted = [...new Set(accountIds)];
  if (wanted.length === 0 || (reach !== 'everywhere' && reach.accountIds.length === 0)) return new Set();
  const within =
    reach === 'everywhere'
      ? undefined
      : or(inArray(accounts.id, [...reach.accountIds]), inArray(accounts.partnerId, [...reach.accountIds]));
  const rows = await database
    .select({ id: accounts.id })
    .from(accounts)
    .where(and(inArray(accounts.id, wanted), within));
  return new Set(rows.map(({ id }) => id));
}

/** Which of the accounts are customers of one of the partners: account id → partner id. One query. */
export async function findPartnersOf(
  database: Database,
  accountIds: readonly string[],
  partnerIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await database
    .select({ id: accounts.id, partnerId: accounts.partnerId })
    .from(accounts)
    .where(and(inArray(accounts.id, [...accountIds]), inArray(accounts.partnerId, [...partnerIds])));
  return new Map(rows.flatMap(({ id, partnerId }) => (partnerId === null ? [] : [[id, partnerId]])));
}

/** A text that names the caller for good: keys of idempotency records and ledger keys begin with it. */
export function actorIdOf(actor: Actor): string {
  return actor.kind === 'user' ? actor.userId : actor.tokenId;
}
