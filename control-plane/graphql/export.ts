import { systemClock } from '#shared/clock.ts';
import {
  createExport,
  EXPORT_RETENTION_DAYS,
  type ExportSubject,
  MAX_EXPORT_DAYS,
} from '../exports/create-export.ts';
import { findExports, listExports } from '../exports/list-exports.ts';
import { exportLink } from '../exports/serve-export.ts';
import type { ExportRow } from '../exports/write-export.ts';
import { accountRef } from './account.ts';
import { builder } from './builder.ts';
import { uuidOf } from './global-ids.ts';
import { inIdOrder } from './id-order.ts';
import { entryKind } from './ledger.ts';
import { pageById } from './page.ts';
import { accountsToList, onlyVisible, type RequestContext } from './request-context.ts';
import { type Payload, runMutation } from './run-mutation.ts';
import { usageStatus } from './usage-record.ts';
import { userErrorsField } from './user-error.ts';

const exportStatus = builder.enumType('ExportStatus', {
  description: 'How far an export is.',
  values: {
    RUNNING: { value: 'running', description: 'It waits or is being written.' },
    DONE: { value: 'done', description: 'The file can be downloaded.' },
    FAILED: { value: 'failed', description: 'It failed for good; ask for another one.' },
  } as const,
});

/** The two kinds of exports are types of their own, because different permissions open them. */
function exportType(name: 'UsageExport' | 'LedgerExport', subject: ExportSubject, description: string) {
  const ref = builder.loadableNodeRef(name, {
    id: { resolve: (row: ExportRow) => row.id },
    load: async (ids: string[], context: RequestContext) => {
      const rows = await findExports(context.database, subject, ids);
      return inIdOrder(ids, await onlyVisible(context, rows, (row) => row.accountId), (row) => row.id);
    },
  });
  ref.implement({
    description,
    fields: (t) => ({
      account: t.field({ type: accountRef, description: 'Whose it is.', resolve: (row) => row.accountId }),
      status: t.field({ type: exportStatus, description: 'How far it is.', resolve: (row) => row.status }),
      progress: t.exposeFloat('progress', { description: 'From 0 to 1, by time.' }),
      rowCount: t.exposeFloat('rowCount', { description: 'Rows written so far, without the header.' }),
      byteCount: t.exposeFloat('byteCount', { description: 'Size of the file so far.' }),
      from: t.expose('startsAt', { type: 'DateTime', description: 'Its first instant.' }),
      to: t.expose('endsAt', {
        type: 'DateTime',
        description: 'Where it ends: at the latest when it was asked for.',
      }),
      downloadUrl: t.string({
        nullable: true,
        description:
          'The CSV file; null until it is done. The link works for an hour, for whoever has it; ask again for another.',
        resolve: (row, _args, { publicUrl, sealingKey }) =>
          row.status === 'done' ? exportLink(publicUrl, sealingKey, row.id, systemClock.nowMs()) : null,
      }),
      createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was asked for.' }),
      finishedAt: t.expose('finishedAt', {
        type: 'DateTime',
        nullable: true,
        description: 'When it was done or failed; null before.',
      }),
      expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When it is deleted.' }),
    }),
  });
  return ref;
}

const usageExportRef = exportType('UsageExport', 'usage', 'A CSV file of the requests of an account.');
const ledgerExportRef = exportType(
  'LedgerExport',
  'ledger',
  'A CSV file of the ledger entries of an account.',
);

const NEWEST_FIRST = { order: 'newest-first', idField: 'id' } as const;
const accountArgument = { description: 'Only of this account; of all that are yours when left out.' };

function exportPage(
  context: RequestContext,
  subject: ExportSubject,
  queryField: string,
  args: Parameters<typeof pageById>[0] & { accountId?: string | null | undefined },
) {
  return pageById(args, NEWEST_FIRST, async (range) => {
    const within = await accountsToList(context, queryField, args.accountId);
    const rows = await listExports(context.database, subject, within, range);
    await context.access.learn(rows.map((row) => row.accountId));
    return rows;
  });
}

builder.queryFields((t) => ({
  usageExports: t.connection(
    {
      type: usageExportRef,
      description: 'CSV exports of requests, newest first.',
      args: { accountId: t.arg.id(accountArgument) },
      resolve: (_root, args, context) => exportPage(context, 'usage', 'usageExports', args),
    },
    { name: 'UsageExportConnection', description: 'A page of exports of requests.' },
    { name: 'UsageExportEdge', description: 'One of the exports of a page.' },
  ),
  ledgerExports: t.connection(
    {
      type: ledgerExportRef,
      description: 'CSV exports of ledger entries, newest first.',
      args: { accountId: t.arg.id(accountArgument) },
      resolve: (_root, args, context) => exportPage(context, 'ledger', 'ledgerExports', args),
    },
    { name: 'LedgerExportConnection', description: 'A page of exports of ledger entries.' },
    { name: 'LedgerExportEdge', description: 'One of the exports of a page.' },
  ),
}));

const ID_DESCRIPTION = 'Global id of the account.';
const FROM_DESCRIPTION = `The first instant; at most ${MAX_EXPORT_DAYS} days before \`to\`.`;
const TO_DESCRIPTION = 'The instant before which it ends; now, where it lies in the future.';
const KEY_DESCRIPTION = 'The same key and input get the same answer for 24 h.';

const usageExportInput = builder.inputType('UsageExportCreateInput', {
  description: 'Which requests to export.',
  fields: (t) => ({
    accountId: t.id({ required: true, description: ID_DESCRIPTION }),
    from: t.field({ type: 'DateTime', required: true, description: FROM_DESCRIPTION }),
    to: t.field({ type: 'DateTime', required: true, description: TO_DESCRIPTION }),
    apiKeyId: t.id({ description: 'Only the requests made with this API key.' }),
    model: t.id({ description: 'Only requests billed as this model.' }),
    dialect: t.string({ description: 'Only requests in this protocol.' }),
    status: t.field({ type: usageStatus, description: 'Only requests that ended like this.' }),
    endUser: t.string({ description: 'Only requests of this end user: its keyed digest.' }),
    idempotencyKey: t.string({ description: KEY_DESCRIPTION }),
  }),
});

const ledgerExportInput = builder.inputType('LedgerExportCreateInput', {
  description: 'Which ledger entries to export.',
  fields: (t) => ({
    accountId: t.id({ required: true, description: ID_DESCRIPTION }),
    from: t.field({ type: 'DateTime', required: true, description: FROM_DESCRIPTION }),
    to: t.field({ type: 'DateTime', required: true, description: TO_DESCRIPTION }),
    kind: t.field({ type: entryKind, description: 'Only entries of this kind.' }),
    idempotencyKey: t.string({ description: KEY_DESCRIPTION }),
  }),
});

type ExportPayload = Payload<{ exportId: string }>;

const usageExportPayload = builder.objectRef<ExportPayload>('UsageExportCreatePayload').implement({
  description: 'The result of `usageExportCreate`.',
  fields: (t) => ({
    usageExport: t.field({
      type: usageExportRef,
      nullable: true,
      description: 'The export; null when the mutation was refused.',
      resolve: ({ value }) => value?.exportId,
    }),
    userErrors: userErrorsField(t),
  }),
});

const ledgerExportPayload = builder.objectRef<ExportPayload>('LedgerExportCreatePayload').implement({
  description: 'The result of `ledgerExportCreate`.',
  fields: (t) => ({
    ledgerExport: t.field({
      type: ledgerExportRef,
      nullable: true,
      description: 'The export; null when the mutation was refused.',
      resolve: ({ value }) => value?.exportId,
    }),
    userErrors: userErrorsField(t),
  }),
});

/** Once its row is there; where the queue is away, the workers find the row by themselves. */
async function begin({ queues }: RequestContext, payload: ExportPayload): Promise<ExportPayload> {
  const exportId = payload.value?.exportId;
  if (exportId !== undefined) await queues.add('exports', { exportId }, { id: `export-${exportId}` });
  return payload;
}

/** Keeps the members that say something, as text. */
function saidOf<Members extends Record<string, string | null | undefined>>(members: Members) {
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== null && value !== undefined),
  );
}

const HOW = `Written in the background and kept for ${EXPORT_RETENTION_DAYS} days; ask \`status\` until it is \`DONE\`.`;

builder.mutationFields((t) => ({
  usageExportCreate: t.field({
    type: usageExportPayload,
    description: `Exports requests as a CSV file, oldest first. ${HOW}`,
    args: { input: t.arg({ type: usageExportInput, required: true, description: 'Which requests.' }) },
    resolve: async (_root, { input }, context) => {
      const { accountId, from, to, apiKeyId, idempotencyKey: _key, ...rest } = input;
      const key = apiKeyId === null || apiKeyId === undefined ? undefined : uuidOf('ApiKey', apiKeyId);
      const filter = saidOf({ ...rest, apiKeyId: key });
      const made = await runMutation(context, { mutation: 'usageExportCreate', input }, (tx, { reach }) =>
        createExport(tx, reach, {
          accountId: uuidOf('Account', accountId),
          subject: 'usage',
          from,
          to,
          filter,
        }),
      );
      return await begin(context, made);
    },
  }),
  ledgerExportCreate: t.field({
    type: ledgerExportPayload,
    description: `Exports ledger entries as a CSV file, oldest first. ${HOW}`,
    args: { input: t.arg({ type: ledgerExportInput, required: true, description: 'Which entries.' }) },
    resolve: async (_root, { input }, context) => {
      const { accountId, from, to, kind } = input;
      const filter = saidOf({ kind });
      const made = await runMutation(context, { mutation: 'ledgerExportCreate', input }, (tx, { reach }) =>
        createExport(tx, reach, {
          accountId: uuidOf('Account', accountId),
          subject: 'ledger',
          from,
          to,
          filter,
        }),
      );
      return await begin(context, made);
    },
  }),
}));
