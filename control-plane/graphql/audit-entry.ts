import {
  type AuditFilter,
  type AuditRow,
  findAudit,
  listAllAudit,
  listAuditOf,
} from '../audit/list-audit.ts';
import { accountRef } from './account.ts';
import { builder } from './builder.ts';
import { encodeGlobalId } from './global-ids.ts';
import { inIdOrder } from './id-order.ts';
import { loadPageOfParent, pageById } from './page.ts';
import { accountsToList, onlyVisible, type RequestContext } from './request-context.ts';
import { viewerKind } from './viewer.ts';

const auditEntryRef = builder.loadableNodeRef('AuditEntry', {
  id: { resolve: (entry) => entry.id },
  load: async (ids: string[], context: RequestContext) => {
    const rows = await findAudit(context.database, ids);
    return inIdOrder(ids, await onlyVisible(context, rows, (row) => row.accountId), (row) => row.id);
  },
  toKey: (entry) => entry.id,
  cacheResolved: true,
});

const auditEntryEdge = builder.edgeObject({
  name: 'AuditEntryEdge',
  description: 'One of the audit entries of a page.',
  type: auditEntryRef,
});
const auditEntryConnection = builder.connectionObject(
  { name: 'AuditEntryConnection', description: 'A page of audit entries.', type: auditEntryRef },
  auditEntryEdge,
);

auditEntryRef.implement({
  description: 'That somebody changed something. Entries are never changed or deleted, and hold no secrets.',
  fields: (t) => ({
    account: t.field({
      type: accountRef,
      nullable: true,
      description: 'Whose object it was; null for the catalog and other things of the installation.',
      resolve: (entry) => entry.accountId,
    }),
    actorKind: t.field({
      type: viewerKind,
      description: 'What kind of caller.',
      resolve: (entry) => entry.actorKind,
    }),
    actorId: t.id({
      description: 'Id of the token or person.',
      resolve: (entry) => encodeGlobalId(entry.actorKind === 'user' ? 'User' : 'AccessToken', entry.actorId),
    }),
    actorName: t.exposeString('actorName', {
      description: 'Name of the token, or e-mail address of the person, at that time.',
    }),
    clientAddress: t.exposeString('clientAddress', { description: 'The IP address that it came from.' }),
    requestId: t.exposeID('requestId', { description: 'The `x-request-id` of the answer.' }),
    mutation: t.exposeString('mutation', { description: 'Name of the mutation.' }),
    subjectKind: t.exposeString('subjectKind', {
      nullable: true,
      description: 'Type of what was changed; null for many objects at once.',
    }),
    subjectId: t.exposeID('subjectId', {
      nullable: true,
      description: 'Global id of what was changed; null for many objects at once.',
    }),
    input: t.expose('input', {
      type: 'JSON',
      description: 'The input, with secrets replaced by "[secret]".',
    }),
    before: t.expose('before', {
      type: 'JSON',
      nullable: true,
      description: 'The object before; null when it is new.',
    }),
    after: t.expose('after', {
      type: 'JSON',
      nullable: true,
      description: 'The object after, or the ids of many; null when it is gone.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When.' }),
  }),
});

const filterArguments = builder.args((t) => ({
  mutation: t.string({ description: 'Only entries of this mutation, such as "apiKeyCreate".' }),
  subjectId: t.id({ description: 'Only entries about the object with this global id.' }),
}));

function toFilter(args: {
  mutation?: string | null | undefined;
  subjectId?: string | null | undefined;
}): AuditFilter {
  return { mutation: args.mutation ?? undefined, subjectId: args.subjectId ?? undefined };
}

builder.objectField(accountRef, 'auditEntries', (t) =>
  t.connection(
    {
      type: auditEntryRef,
      description: 'Who changed what in it, newest first.',
      args: filterArguments,
      resolve: (account, args, context) => {
        const filter = toFilter(args);
        return pageById(args, { order: 'newest-first', idField: 'id' }, (range) =>
          loadPageOfParent<AuditRow>(context, {
            name: `auditEntries:${JSON.stringify(filter)}`,
            parentId: account.id,
            range,
            parentOf: (row) => row.accountId ?? '',
            load: (accountIds) => listAuditOf(context.database, accountIds, filter, range),
          }),
        );
      },
    },
    auditEntryConnection,
    auditEntryEdge,
  ),
);

builder.queryField('auditEntries', (t) =>
  t.connection(
    {
      type: auditEntryRef,
      description:
        "The audit log, newest first: of one account, else of the caller's own accounts; for operators everything.",
      args: {
        accountId: t.arg.id({ description: 'Only entries of this account.' }),
        ...filterArguments,
      },
      resolve: async (_root, { accountId, ...args }, context) => {
        const listed = await accountsToList(context, 'auditEntries', accountId);
        const filter = toFilter(args);
        return await pageById(args, { order: 'newest-first', idField: 'id' }, (range) =>
          listed === null
            ? listAllAudit(context.database, filter, range)
            : listAuditOf(context.database, listed, filter, range),
        );
      },
    },
    auditEntryConnection,
    auditEntryEdge,
  ),
);
