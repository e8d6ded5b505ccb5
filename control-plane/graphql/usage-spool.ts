import { formatUsd } from '#shared/money.ts';
import { listOpenSpools, type OpenSpool, writeOffSpool } from '../usage/open-spools.ts';
import { builder } from './builder.ts';
import { pageById } from './page.ts';
import { type Payload, runMutation } from './run-mutation.ts';
import { userErrorRef } from './user-error.ts';

const usageSpoolRef = builder.objectRef<OpenSpool>('UsageSpool');
const usageSpoolEdge = builder.edgeObject({
  name: 'UsageSpoolEdge',
  description: 'One of the spools of a page.',
  type: usageSpoolRef,
});
const usageSpoolConnection = builder.connectionObject(
  { name: 'UsageSpoolConnection', description: 'A page of spools.', type: usageSpoolRef },
  usageSpoolEdge,
);

usageSpoolRef.implement({
  description:
    'The usage that one run of a data-plane process reports, until its successor has shipped the rest and closed it. One per process is open normally.',
  fields: (t) => ({
    name: t.exposeString('id', { description: 'Its name, as the log of the workers has it.' }),
    openedAt: t.expose('openedAt', { type: 'DateTime', description: 'When its first record arrived.' }),
    recordsTaken: t.exposeFloat('highWater', { description: 'How many lines of it have arrived.' }),
    lentUsd: t.string({
      description:
        'What accounts were last known to have lent its process for requests to come and in flight, USD; without what is borrowed for a single request.',
      resolve: (spool) => formatUsd(spool.lentNano),
    }),
  }),
});

builder.queryField('openUsageSpools', (t) =>
  t.connection(
    {
      type: usageSpoolRef,
      description: 'Spools that are not closed, by name. Operators only.',
      resolve: (_root, args, { database }) =>
        pageById(args, { order: 'by-name', idField: 'id' }, (range) => listOpenSpools(database, range)),
    },
    usageSpoolConnection,
    usageSpoolEdge,
  ),
);

const writeOffInput = builder.inputType('UsageSpoolWriteOffInput', {
  description: 'Which spool to give up.',
  fields: (t) => ({
    spool: t.string({ required: true, description: 'Its name.' }),
    idempotencyKey: t.string({ description: 'The same key and input get the same answer for 24 h.' }),
  }),
});

const writeOffPayload = builder.objectRef<Payload<{ spool: string }>>('UsageSpoolWriteOffPayload').implement({
  description: 'The result of `usageSpoolWriteOff`.',
  fields: (t) => ({
    spool: t.string({
      nullable: true,
      description: 'The spool that is closed now; null when the mutation was refused.',
      resolve: ({ value }) => value?.spool ?? null,
    }),
    userErrors: t.expose('userErrors', {
      type: [userErrorRef],
      description: 'Why it was refused, if it was.',
    }),
  }),
});

builder.mutationField('usageSpoolWriteOff', (t) =>
  t.field({
    type: writeOffPayload,
    description:
      'Closes the spool of a data plane whose host never comes back: within a second its accounts are lent what it held, and what it had not shipped is never billed. While its process lives, this would lend money twice.',
    args: { input: t.arg({ type: writeOffInput, required: true, description: 'Which spool.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'usageSpoolWriteOff', input }, (tx) => writeOffSpool(tx, input.spool)),
  }),
);
