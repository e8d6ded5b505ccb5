import { sql } from 'drizzle-orm';
import type { ReconciliationDifference } from '#db/schema/ledger.ts';
import { lastReconciliation, type ReconciliationRow } from '../ledger/reconcile.ts';
import { RECONCILE_CHANNEL } from '../ledger/reconcile-regularly.ts';
import { succeeded } from '../user-error.ts';
import { builder } from './builder.ts';
import { type Payload, runMutation } from './run-mutation.ts';
import { userErrorRef } from './user-error.ts';

const differenceRef = builder.objectRef<ReconciliationDifference>('ReconciliationDifference').implement({
  description: 'A figure that is not what it should be.',
  fields: (t) => ({
    check: t.exposeString('check', { description: 'Which check found it.' }),
    subject: t.exposeString('subject', {
      description: 'The row at fault: its table and key, or a key of Redis.',
    }),
    expected: t.exposeString('expected', { description: 'What it should be; money in nano-USD.' }),
    found: t.exposeString('found', { description: 'What it is.' }),
  }),
});

const checkRef = builder
  .objectRef<{ readonly name: string; readonly compared: number }>('ReconciliationCheck')
  .implement({
    description: 'One of the checks of a reconciliation.',
    fields: (t) => ({
      name: t.exposeString('name', {
        description:
          '`transactions`: each sums to zero. `balances`: each is the sum of its entries. `settlements`: each is the sum of the usage rows that name it. `unsettled`: no row that costs something is without one. `days`, `spools`: totals are the sum of what they count. `promotions`: grants come to the promotional balances. `redis`: wallets say the same as the ledger.',
      }),
      compared: t.exposeFloat('compared', { description: 'How many figures were compared.' }),
    }),
  });

const reconciliationRef = builder.objectRef<ReconciliationRow>('Reconciliation').implement({
  description: 'The result of one comparison of ledger, usage, balances and Redis with each other.',
  fields: (t) => ({
    balanced: t.boolean({
      description: 'True when nothing differs.',
      resolve: ({ differenceCount }) => differenceCount === 0,
    }),
    differenceCount: t.exposeInt('differenceCount', { description: 'How many figures differ.' }),
    differences: t.field({
      type: [differenceRef],
      description: 'The first 100 of them.',
      resolve: ({ differences }) => differences,
    }),
    checks: t.field({
      type: [checkRef],
      description: 'What was compared; at most 10.',
      resolve: ({ checked }) => Object.entries(checked).map(([name, compared]) => ({ name, compared })),
    }),
    startedAt: t.expose('startedAt', { type: 'DateTime', description: 'When it began.' }),
    finishedAt: t.expose('finishedAt', { type: 'DateTime', description: 'When it was done.' }),
  }),
});

builder.queryField('lastReconciliation', (t) =>
  t.field({
    type: reconciliationRef,
    nullable: true,
    description: 'The result of the last reconciliation; null before the first. Operators only.',
    resolve: async (_root, _args, { database }) => (await lastReconciliation(database)) ?? null,
  }),
);

const runInput = builder.inputType('ReconciliationRunInput', {
  description: 'A reconciliation at once.',
  fields: (t) => ({
    idempotencyKey: t.string({ description: 'The same key gets the same answer for 24 h.' }),
  }),
});

const runPayload = builder.objectRef<Payload<{ requested: boolean }>>('ReconciliationRunPayload').implement({
  description: 'The result of `reconciliationRun`.',
  fields: (t) => ({
    requested: t.boolean({
      description: 'True when the workers were asked.',
      resolve: ({ value }) => value?.requested ?? false,
    }),
    userErrors: t.expose('userErrors', {
      type: [userErrorRef],
      description: 'Why it was refused, if it was.',
    }),
  }),
});

builder.mutationField('reconciliationRun', (t) =>
  t.field({
    type: runPayload,
    description:
      'Asks the workers to reconcile at once. Read `lastReconciliation` until it has begun after this. Operators only.',
    args: { input: t.arg({ type: runInput, required: true, description: 'Nothing but the key.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'reconciliationRun', input }, async (tx) => {
        await tx.execute(sql`select pg_notify(${RECONCILE_CHANNEL}, '')`);
        return succeeded({ requested: true });
      }),
  }),
);
