import type { Actor } from '../accounts/authorize.ts';
import { accountRef } from './account.ts';
import { builder } from './builder.ts';
import { requireActor } from './request-context.ts';

const viewerKind = builder.enumType('ViewerKind', {
  description: 'What a caller is allowed to do.',
  values: {
    OPERATOR: { value: 'operator', description: 'Runs the installation; may do everything.' },
    MANAGEMENT: { value: 'management', description: 'Manages one account.' },
  } as const,
});

const viewerRef = builder.objectRef<Actor>('Viewer').implement({
  description: 'Who is calling.',
  fields: (t) => ({
    kind: t.field({ type: viewerKind, description: 'What it may do.', resolve: (actor) => actor.kind }),
    tokenName: t.exposeString('tokenName', { description: 'The name of the token.' }),
    account: t.field({
      type: accountRef,
      nullable: true,
      description: 'The account of a management token; null for operators.',
      resolve: (actor) => (actor.kind === 'management' ? actor.accountId : null),
    }),
  }),
});

builder.queryField('viewer', (t) =>
  t.field({
    type: viewerRef,
    description: 'Who the presented token belongs to.',
    authScopes: { signedIn: true },
    resolve: (_root, _args, context) => requireActor(context),
  }),
);
