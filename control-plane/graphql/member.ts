import {
  findInvitations,
  findMembers,
  type InvitationRow,
  listInvitationsOf,
  listMembersOf,
  type MemberRow,
} from '../people/list-members.ts';
import { accountRef } from './account.ts';
import { builder } from './builder.ts';
import { encodeGlobalId } from './global-ids.ts';
import { inIdOrder } from './id-order.ts';
import { loadPageOfParent, pageById } from './page.ts';
import { memberRole } from './permission.ts';
import { onlyVisible, type RequestContext } from './request-context.ts';

export const memberRef = builder.loadableNodeRef('AccountMember', {
  id: { resolve: (member) => member.id },
  load: async (ids: string[], context: RequestContext) => {
    const rows = await findMembers(context.database, ids);
    return inIdOrder(ids, await onlyVisible(context, rows, (row) => row.accountId), (row) => row.id);
  },
  toKey: (member) => member.id,
  cacheResolved: true,
});

memberRef.implement({
  description: 'That a person may act in an account.',
  fields: (t) => ({
    account: t.field({
      type: accountRef,
      description: 'The account.',
      resolve: (member) => member.accountId,
    }),
    userId: t.id({
      description: 'Id of the person, `user_…`.',
      resolve: (member) => encodeGlobalId('User', member.userId),
    }),
    name: t.exposeString('name', { description: 'Name of the person.' }),
    email: t.exposeString('email', { description: 'E-mail address of the person.' }),
    role: t.field({ type: memberRole, description: 'What it may do.', resolve: (member) => member.role }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'Since when.' }),
  }),
});

export const invitationRef = builder.loadableNodeRef('AccountInvitation', {
  id: { resolve: (invitation) => invitation.id },
  load: async (ids: string[], context: RequestContext) => {
    const rows = await findInvitations(context.database, ids);
    return inIdOrder(ids, await onlyVisible(context, rows, (row) => row.accountId), (row) => row.id);
  },
  toKey: (invitation) => invitation.id,
  cacheResolved: true,
});

invitationRef.implement({
  description: 'That somebody with an e-mail address may become a member.',
  fields: (t) => ({
    account: t.field({
      type: accountRef,
      description: 'The account.',
      resolve: (invitation) => invitation.accountId,
    }),
    email: t.exposeString('email', { description: 'To whom it was sent.' }),
    role: t.field({
      type: memberRole,
      description: 'The role that it gives.',
      resolve: (invitation) => invitation.role,
    }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'Until when it can be accepted.' }),
    acceptedAt: t.expose('acceptedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was accepted; null while it is not.',
    }),
    revokedAt: t.expose('revokedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was revoked or replaced; null while it is not.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was sent.' }),
  }),
});

const memberEdge = builder.edgeObject({
  name: 'AccountMemberEdge',
  description: 'One of the members of a page.',
  type: memberRef,
});
const memberConnection = builder.connectionObject(
  { name: 'AccountMemberConnection', description: 'A page of members.', type: memberRef },
  memberEdge,
);
const invitationEdge = builder.edgeObject({
  name: 'AccountInvitationEdge',
  description: 'One of the invitations of a page.',
  type: invitationRef,
});
const invitationConnection = builder.connectionObject(
  { name: 'AccountInvitationConnection', description: 'A page of invitations.', type: invitationRef },
  invitationEdge,
);

builder.objectField(accountRef, 'members', (t) =>
  t.connection(
    {
      type: memberRef,
      description: 'The people who may act in it, newest first.',
      resolve: (account, args, context) =>
        pageById(args, { order: 'newest-first', idField: 'id' }, (range) =>
          loadPageOfParent<MemberRow>(context, {
            name: 'members',
            parentId: account.id,
            range,
            parentOf: (row) => row.accountId,
            load: (accountIds) => listMembersOf(context.database, accountIds, range),
          }),
        ),
    },
    memberConnection,
    memberEdge,
  ),
);

builder.objectField(accountRef, 'invitations', (t) =>
  t.connection(
    {
      type: invitationRef,
      description: 'Invitations that were neither accepted nor revoked, newest first; expired ones included.',
      resolve: (account, args, context) =>
        pageById(args, { order: 'newest-first', idField: 'id' }, (range) =>
          loadPageOfParent<InvitationRow>(context, {
            name: 'invitations',
            parentId: account.id,
            range,
            parentOf: (row) => row.accountId,
            load: (accountIds) => listInvitationsOf(context.database, accountIds, range),
          }),
        ),
    },
    invitationConnection,
    invitationEdge,
  ),
);
