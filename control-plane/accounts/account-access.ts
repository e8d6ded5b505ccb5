import type { Database } from '#db/client.ts';
import { type Actor, findPartnersOf, ownAccountIds, permissionsIn, reachOf } from './authorize.ts';
import { ALL_PERMISSIONS, includesPermission, type Permission, type Role } from './permissions.ts';

/**
 * What the caller of one request may do in which account. Own accounts are known from the start; whether another one is a
 * customer of an own account is asked once per request and account, for all accounts of a page in one query.
 */
export class AccountAccess {
  readonly #database: Database;
  #actor: Actor | undefined;
  /** Account → the own account through which it is reached; `null`: not reached. */
  readonly #through = new Map<string, string | null>();

  constructor(database: Database, actor: Actor | undefined) {
    this.#database = database;
    this.#actor = actor;
    if (actor) for (const accountId of ownAccountIds(actor)) this.#through.set(accountId, accountId);
  }

  /** Finds out about accounts that are not known yet, so that {@link may} answers at once. */
  async learn(accountIds: readonly string[]): Promise<void> {
    if (!this.#actor || this.#actor.kind === 'operator') return;
    const unknown = [...new Set(accountIds)].filter((accountId) => !this.#through.has(accountId));
    const own = ownAccountIds(this.#actor);
    if (unknown.length === 0) return;
    const partners = own.length === 0 ? undefined : await findPartnersOf(this.#database, unknown, own);
    for (const accountId of unknown) this.#through.set(accountId, partners?.get(accountId) ?? null);
  }

  /** The caller has just become a member: what the rest of this request reads counts with it. */
  joined(accountId: string, role: Role): void {
    if (this.#actor?.kind !== 'user') return;
    this.#actor = { ...this.#actor, roles: new Map([...this.#actor.roles, [accountId, role]]) };
    this.#through.set(accountId, accountId);
  }

  /** Whether the caller may see anything of the account at all. {@link learn} it first. */
  sees(accountId: string | null): boolean {
    if (this.#actor?.kind === 'operator') return true;
    return accountId !== null && (this.#through.get(accountId) ?? null) !== null;
  }

  /** Whether the caller has the permission in the account; a promise only where that is not known yet. */
  may(permission: Permission, accountId: string | null): boolean | Promise<boolean> {
    const actor = this.#actor;
    if (!actor) return false;
    if (actor.kind === 'operator') return true;
    if (accountId === null) return false;
    const through = this.#through.get(accountId);
    if (through === undefined) return this.learn([accountId]).then(() => this.may(permission, accountId));
    return through !== null && includesPermission(permissionsIn(actor, through), permission);
  }

  /** Everything that the caller may do in the account. */
  async permissionsIn(accountId: string): Promise<readonly Permission[]> {
    const actor = this.#actor;
    if (!actor) return [];
    if (actor.kind === 'operator') return ALL_PERMISSIONS;
    await this.learn([accountId]);
    const through = this.#through.get(accountId) ?? null;
    return through === null ? [] : permissionsIn(actor, through);
  }

  /** Whether there is an account at all in which the caller has the permission. */
  mayAnywhere(permission: Permission): boolean {
    if (!this.#actor) return false;
    const reach = reachOf(this.#actor, permission);
    return reach === 'everywhere' || reach.accountIds.length > 0;
  }
}
