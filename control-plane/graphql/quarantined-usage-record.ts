import {
  discardQuarantined,
  findQuarantined,
  listQuarantined,
  type QuarantinedRow,
  replayQuarantined,
} from '../usage/quarantine.ts';
import { builder } from './builder.ts';
import { uuidOf } from './global-ids.ts';
import { inIdOrder } from './id-order.ts';
import { pageById } from './page.ts';
import type { RequestContext } from './request-context.ts';
import { type Payload, runMutation } from './run-mutation.ts';
import { userErrorRef } from './user-error.ts';

const quarantineState = builder.enumType('QuarantineState', {
  description: 'What has become of a quarantined usage record.',
  values: {
    WAITING: { value: 'waiting', description: 'An operator has to decide.' },
    BOOKED: { value: 'booked', description: 'It was replayed and is billed.' },
    DISCARDED: { value: 'discarded', description: 'It will never be billed.' },
  } as const,
});

const quarantinedRef = builder.loadableNodeRef('QuarantinedUsageRecord', {
  id: { resolve: (record) => record.id },
  load: async (ids: string[], { database }: RequestContext) => {
    const rows = await findQuarantined(database, ids);
    return inIdOrder(ids, rows, (row) => row.id);
  },
  toKey: (record: QuarantinedRow) => record.id,
  cacheResolved: true,
});

const quarantinedEdge = builder.edgeObject({
  name: 'QuarantinedUsageRecordEdge',
  description: 'One of the quarantined records of a page.',
  type: quarantinedRef,
});
const quarantinedConnection = builder.connectionObject(
  {
    name: 'QuarantinedUsageRecordConnection',
    description: 'A page of quarantined usage records.',
    type: quarantinedRef,
  },
  quarantinedEdge,
);

quarantinedRef.implement({
  description:
    'A usage record that could not be booked, for the reason given. Its cost stays reserved in the account until it is replayed or its spool is closed.',
  fields: (t) => ({
    spool: t.exposeString('spoolId', { description: 'The spool that it came in.' }),
    sequence: t.exposeFloat('sequence', { description: 'Its number there, a whole one.' }),
    reason: t.exposeString('reason', { description: 'Why it could not be booked.' }),
    record: t.exposeString('line', {
      description:
        'What was received: normally a JSON record of ids and counts, without content of requests.',
    }),
    state: t.field({
      type: quarantineState,
      description: 'What has become of it.',
      resolve: (record) => record.resolution ?? 'waiting',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it arrived.' }),
    resolvedAt: t.expose('resolvedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When an operator decided; null while it waits.',
    }),
  }),
});

builder.queryField('quarantinedUsageRecords', (t) =>
  t.connection(
    {
      type: quarantinedRef,
      description: 'Usage records that could not be booked, newest first. Operators only.',
      args: {
        waiting: t.arg.boolean({
          description: 'True: only those that wait; false: only those dealt with; all when left out.',
        }),
      },
      resolve: (_root, { waiting, ...args }, { database }) =>
        pageById(args, { order: 'newest-first', idField: 'id' }, (range) =>
          listQuarantined(database, waiting == null ? undefined : waiting ? 'waiting' : 'resolved', range),
        ),
    },
    quarantinedConnection,
    quarantinedEdge,
  ),
);

type QuarantinePayload = Payload<{ id: string }>;

function decisionInput(name: string, description: string) {
  return builder.inputType(name, {
    description,
    fields: (t) => ({
      id: t.id({ required: true, description: 'Global id of the record, `qrec_…`.' }),
      idempotencyKey: t.string({ description: 'The same key and input get the same answer for 24 h.' }),
    }),
  });
}

function decisionPayload(name: string, description: string) {
  return builder.objectRef<QuarantinePayload>(name).implement({
    description,
    fields: (t) => ({
      quarantinedUsageRecord: t.field({
        type: quarantinedRef,
        nullable: true,
        description: 'The record as it is now; null when the mutation was refused.',
        resolve: ({ value }, _args, context) => {
          if (!value) return null;
          quarantinedRef.getDataloader(context).clear(value.id);
          return value.id;
        },
      }),
      userErrors: t.expose('userErrors', {
        type: [userErrorRef],
        description: 'Why it was refused, if it was.',
      }),
    }),
  });
}

builder.mutationFields((t) => ({
  quarantinedUsageRecordReplay: t.field({
    type: decisionPayload(
      'QuarantinedUsageRecordReplayPayload',
      'The result of `quarantinedUsageRecordReplay`.',
    ),
    description:
      'Examines a quarantined record again and books it like any other, once. Refused while its cause is still there.',
    args: {
      input: t.arg({
        type: decisionInput('QuarantinedUsageRecordReplayInput', 'Which record to book.'),
        required: true,
        description: 'Which record.',
      }),
    },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'quarantinedUsageRecordReplay', input }, (tx) =>
        replayQuarantined(tx, uuidOf('QuarantinedUsageRecord', input.id)),
      ),
  }),
  quarantinedUsageRecordDiscard: t.field({
    type: decisionPayload(
      'QuarantinedUsageRecordDiscardPayload',
      'The result of `quarantinedUsageRecordDiscard`.',
    ),
    description: 'Decides that a quarantined record is never billed. It stays listed.',
    args: {
      input: t.arg({
        type: decisionInput('QuarantinedUsageRecordDiscardInput', 'Which record to give up.'),
        required: true,
        description: 'Which record.',
      }),
    },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'quarantinedUsageRecordDiscard', input }, (tx) =>
        discardQuarantined(tx, uuidOf('QuarantinedUsageRecord', input.id)),
      ),
  }),
}));
