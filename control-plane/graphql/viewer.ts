import { type Actor, ownAccountIds, permissionsIn } from '../accounts/authorize.ts';
import type { Permission, Role } from '../accounts/permissions.ts';
import { accountRef } from './account.ts';
import { builder } from './builder.ts';
import { memberRole, permissionEnum } from './permission.ts';
import { requireActor } from './request-context.ts';

export const viewerKind = builder.enumType('ViewerKind', {
  description: 'What kind of caller it is.',
  values: {
    OPERATOR: { value: 'operator', description: 'Runs the installation; may do everything.' },
    MANAGEMENT: { value: 'management', description: 'A program with a management token.' },
    USER: { value: 'user', description: 'A person with a session.' },
  } as const,
});

interface ViewerAccount {
  readonly accountId: string;
  readonly role: Role | null;
  readonly permissions: readonly Permission[];
}

const viewerAccountRef = builder.objectRef<ViewerAccount>('ViewerAccount').implement({
  description: 'An account that the caller belongs to.',
  fields: (t) => ({
    account: t.field({
      type: accountRef,
      description: 'The account.',
      resolve: ({ accountId }) => accountId,
    }),
    role: t.field({
      type: memberRole,
      nullable: true,
      description: 'The role of the person; null for a token.',
      resolve: ({ role }) => role,
    }),
    permissions: t.field({
      type: [permissionEnum],
      description: 'What the caller may do there, and in the customer accounts that it owns.',
      resolve: ({ permissions }) => [...permissions],
    }),
  }),
});

function accountsOf(actor: Actor): ViewerAccount[] {
  if (actor.kind === 'operator') return [];
  return ownAccountIds(actor).map((accountId) => ({
    accountId,
    role: actor.kind === 'user' ? (actor.roles.get(accountId) ?? null) : null,
    permissions: permissionsIn(actor, accountId),
  }));
}

const viewerRef = builder.objectRef<Actor>('Viewer').implement({
  description: 'Who is calling.',
  fields: (t) => ({
    kind: t.field({ type: viewerKind, description: 'What kind of caller.', resolve: (actor) => actor.kind }),
    tokenName: t.string({
      description: 'The name of the token, or of the person.',
      resolve: (actor) => (actor.kind === 'user' ? actor.name : actor.tokenName),
    }),
    email: t.string({
      nullable: true,
      description: "The person's e-mail address; null for tokens.",
      resolve: (actor) => (actor.kind === 'user' ? actor.email : null),
    }),
    account: t.field({
      type: accountRef,
      nullable: true,
      description: 'The account of a management token; null for people, who see `accounts`, and operators.',
      resolve: (actor) => (actor.kind === 'management' ? actor.accountId : null),
    }),
    accounts: t.field({
      type: [viewerAccountRef],
      description: 'The accounts that the caller belongs to; empty for operators.',
      resolve: accountsOf,
    }),
  }),
});

builder.queryField('viewer', (t) =>
  t.field({
    type: viewerRef,
    description: 'Who is calling: the token or session that was presented.',
    resolve: (_root, _args, context) => requireActor(context),
  }),
);
