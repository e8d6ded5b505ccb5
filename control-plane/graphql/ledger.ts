import type { InputShapeFromFields } from '@pothos/core';
import { formatUsd } from '#shared/money.ts';
import { actorIdOf } from '../accounts/authorize.ts';
import { grantCredit, MAX_GRANT_NANO } from '../ledger/grant-credit.ts';
import {
  findEntries,
  type LedgerEntryFilter,
  type LedgerEntryRow,
  listAllEntries,
  listEntriesOf,
  listEntriesOfTransaction,
} from '../ledger/list-entries.ts';
import { reverseTransaction } from '../ledger/reverse-transaction.ts';
import { accountRef, freshAccount } from './account.ts';
import { builder } from './builder.ts';
import { encodeGlobalId, uuidOf } from './global-ids.ts';
import { inIdOrder } from './id-order.ts';
import { loadPageOfParent, pageById } from './page.ts';
import { accountsToList, onlyVisible, type RequestContext, requireActor } from './request-context.ts';
import { type Payload, runMutation } from './run-mutation.ts';
import { userErrorRef } from './user-error.ts';

export const entryKind = builder.enumType('LedgerEntryKind', {
  description: 'Why money moved.',
  values: {
    USAGE: { value: 'usage', description: 'Requests were billed.' },
    CREDIT_GRANT: { value: 'credit_grant', description: 'An operator gave credit.' },
    TOP_UP: { value: 'top_up', description: 'A payment became credit.' },
    REFUND: { value: 'refund', description: 'Unused credit went back.' },
    DISPUTE: { value: 'dispute', description: 'A payment was disputed, or the dispute decided.' },
    CREDIT_ALLOCATION: {
      value: 'credit_allocation',
      description: 'Credit moved between a partner and its customer.',
    },
    PROMOTIONAL_GRANT: { value: 'promotional_grant', description: 'An operator gave promotional credit.' },
    PROMOTIONAL_EXPIRY: {
      value: 'promotional_expiry',
      description: 'Promotional credit that was not used in time.',
    },
    REVERSAL: { value: 'reversal', description: 'An earlier transaction was corrected.' },
  } as const,
});

const ledgerAccountKind = builder.enumType('LedgerAccountKind', {
  description: 'Which account of the double-entry ledger an entry is on.',
  values: {
    CUSTOMER_AVAILABLE: { value: 'customer_available', description: "A customer's paid credit." },
    CUSTOMER_PROMOTIONAL: { value: 'customer_promotional', description: "A customer's promotional credit." },
    USAGE_REVENUE: { value: 'usage_revenue', description: 'What customers have used.' },
    STRIPE_CLEARING: { value: 'stripe_clearing', description: 'Payments under way.' },
    FEES: { value: 'fees', description: 'Payment fees.' },
    DISPUTES: { value: 'disputes', description: 'Disputed payments that are not decided.' },
    REFUNDS: { value: 'refunds', description: 'Refunds.' },
    ADJUSTMENTS: { value: 'adjustments', description: 'Credit given or taken by operators.' },
  } as const,
});

const ledgerEntryRef = builder.loadableNodeRef('LedgerEntry', {
  id: { resolve: (entry) => entry.id },
  load: async (ids: string[], context: RequestContext) => {
    const rows = await findEntries(context.database, ids);
    return inIdOrder(ids, await onlyVisible(context, rows, (row) => row.accountId), (row) => row.id);
  },
  toKey: (entry) => entry.id,
  cacheResolved: true,
});

const ledgerEntryEdge = builder.edgeObject({
  name: 'LedgerEntryEdge',
  description: 'One of the ledger entries of a page.',
  type: ledgerEntryRef,
});
const ledgerEntryConnection = builder.connectionObject(
  { name: 'LedgerEntryConnection', description: 'A page of ledger entries.', type: ledgerEntryRef },
  ledgerEntryEdge,
);

ledgerEntryRef.implement({
  description:
    'One side of a movement of money. Entries are never changed; a correction is a new one. The entries of a transaction sum to zero.',
  fields: (t) => ({
    transactionId: t.id({
      description: 'Groups the entries of one movement, `txn_…`.',
      resolve: (entry) => encodeGlobalId('LedgerTransaction', entry.transactionId),
    }),
    amountUsd: t.string({
      description: 'USD, exact; positive increases what the account has.',
      resolve: (entry) => formatUsd(entry.amountNano),
    }),
    amountNano: t.field({
      type: 'NanoUSD',
      description: 'As `amountUsd`, in nano-USD.',
      resolve: (entry) => entry.amountNano,
    }),
    kind: t.field({ type: entryKind, description: 'Why money moved.', resolve: (entry) => entry.kind }),
    description: t.exposeString('description', { description: 'What happened, for people.' }),
    ledgerAccount: t.field({
      type: ledgerAccountKind,
      description: 'Which ledger account it is on.',
      resolve: (entry) => entry.ledgerAccountKind,
    }),
    account: t.field({
      type: accountRef,
      nullable: true,
      description: 'Whose it is; null for the entries of system accounts.',
      resolve: (entry) => entry.accountId,
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was posted.' }),
  }),
});

const entryFilters = builder.args((t) => ({
  from: t.field({ type: 'DateTime', description: 'Only entries posted at this time or later.' }),
  to: t.field({ type: 'DateTime', description: 'Only entries posted before this time.' }),
  kind: t.field({ type: entryKind, description: 'Only entries of this kind.' }),
}));

function toFilter({ from, to, kind }: InputShapeFromFields<typeof entryFilters>): LedgerEntryFilter {
  return { from: from ?? undefined, to: to ?? undefined, kind: kind ?? undefined };
}

function entriesOfAccount(
  context: RequestContext,
  accountId: string,
  args: Parameters<typeof pageById>[0] & InputShapeFromFields<typeof entryFilters>,
) {
  const filter = toFilter(args);
  return pageById(args, { order: 'newest-first', idField: 'id' }, (range) =>
    loadPageOfParent<LedgerEntryRow>(context, {
      name: `ledgerEntries:${JSON.stringify(filter)}`,
      parentId: accountId,
      range,
      parentOf: (row) => row.accountId ?? '',
      load: (accountIds) => listEntriesOf(context.database, accountIds, filter, range),
    }),
  );
}

builder.objectField(accountRef, 'ledgerEntries', (t) =>
  t.connection(
    {
      type: ledgerEntryRef,
      description: 'The movements of its balance, newest first.',
      args: entryFilters,
      resolve: (account, args, context) => entriesOfAccount(context, account.id, args),
    },
    ledgerEntryConnection,
    ledgerEntryEdge,
  ),
);

builder.queryField('ledgerEntries', (t) =>
  t.connection(
    {
      type: ledgerEntryRef,
      description:
        'Ledger entries, newest first: those of one account, or all that the token may see; for operators that is the whole ledger, system accounts included.',
      args: {
        accountId: t.arg.id({ description: 'Only the entries of this account.' }),
        ...entryFilters,
      },
      resolve: async (_root, { accountId, ...args }, context) => {
        const listed = await accountsToList(context, 'ledgerEntries', accountId);
        const filter = toFilter(args);
        return await pageById(args, { order: 'newest-first', idField: 'id' }, (range) =>
          listed === null
            ? listAllEntries(context.database, filter, range)
            : listEntriesOf(context.database, listed, filter, range),
        );
      },
    },
    ledgerEntryConnection,
    ledgerEntryEdge,
  ),
);

const creditGrantInput = builder.inputType('CreditGrantInput', {
  description: 'Credit to give.',
  fields: (t) => ({
    accountId: t.id({ required: true, description: 'Global id of the account.' }),
    amountUsd: t.string({
      required: true,
      description: `Decimal USD above 0, exact, at most ${formatUsd(MAX_GRANT_NANO)}, such as "25.00".`,
    }),
    reason: t.string({ required: true, description: '1 to 500 characters; becomes the description.' }),
    promotional: t.boolean({
      description: 'True for promotional credit, which is spent before paid credit; false when left out.',
    }),
    expiresAt: t.field({
      type: 'DateTime',
      description: 'For promotional credit: when what is left of it goes; never when left out.',
    }),
    idempotencyKey: t.string({
      description: 'Required here or in the header: the same key gives credit once, ever.',
    }),
  }),
});

const creditGrantPayload = builder
  .objectRef<Payload<{ ledgerEntryId: string; accountId: string }>>('CreditGrantPayload')
  .implement({
    description: 'The result of `creditGrant`.',
    fields: (t) => ({
      creditGrant: t.field({
        type: ledgerEntryRef,
        nullable: true,
        description: "The entry on the customer's side; null when the mutation was refused.",
        resolve: ({ value }) => value?.ledgerEntryId,
      }),
      account: t.field({
        type: accountRef,
        nullable: true,
        description: 'The account; null when the mutation was refused.',
        resolve: ({ value }, _args, context) => value && freshAccount(context, value.accountId),
      }),
      userErrors: t.expose('userErrors', {
        type: [userErrorRef],
        description: 'Why it was refused, if it was.',
      }),
    }),
  });

builder.mutationField('creditGrant', (t) =>
  t.field({
    type: creditGrantPayload,
    description: 'Gives an account credit. Operators only. Needs an idempotency key.',
    args: { input: t.arg({ type: creditGrantInput, required: true, description: 'The credit.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'creditGrant', input, keyRequired: true }, (tx, { idempotencyKey }) =>
        grantCredit(tx, {
          accountId: uuidOf('Account', input.accountId),
          amountUsd: input.amountUsd,
          reason: input.reason,
          promotional: input.promotional ?? false,
          expiresAt: input.expiresAt ?? null,
          // The answer is forgotten after a day; the ledger remembers its key for good.
          idempotencyKey: `credit-grant:${actorIdOf(requireActor(context))}:${idempotencyKey}`,
        }),
      ),
  }),
);

const reverseInput = builder.inputType('LedgerTransactionReverseInput', {
  description: 'Which ledger transaction to correct.',
  fields: (t) => ({
    transactionId: t.id({ required: true, description: 'Id of the transaction, `txn_…`.' }),
    reason: t.string({ required: true, description: '1 to 500 characters; becomes the description.' }),
    idempotencyKey: t.string({
      description:
        'The same key and input get the same answer for 24 h; a transaction is reversed once, ever.',
    }),
  }),
});

const reversePayload = builder
  .objectRef<Payload<{ transactionId: string }>>('LedgerTransactionReversePayload')
  .implement({
    description: 'The result of `ledgerTransactionReverse`.',
    fields: (t) => ({
      transactionId: t.id({
        nullable: true,
        description: 'Id of the reversal, `txn_…`; null when the mutation was refused.',
        resolve: ({ value }) => value && encodeGlobalId('LedgerTransaction', value.transactionId),
      }),
      ledgerEntries: t.field({
        type: [ledgerEntryRef],
        description: 'The entries of the reversal, at most as many as the transaction has.',
        resolve: async ({ value }, _args, { database }) =>
          value ? await listEntriesOfTransaction(database, value.transactionId) : [],
      }),
      userErrors: t.expose('userErrors', {
        type: [userErrorRef],
        description: 'Why it was refused, if it was.',
      }),
    }),
  });

builder.mutationField('ledgerTransactionReverse', (t) =>
  t.field({
    type: reversePayload,
    description:
      'Corrects a ledger transaction by posting its opposite. Nothing is changed or deleted. Operators only.',
    args: { input: t.arg({ type: reverseInput, required: true, description: 'Which, and why.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'ledgerTransactionReverse', input }, (tx) =>
        reverseTransaction(tx, {
          transactionId: uuidOf('LedgerTransaction', input.transactionId),
          reason: input.reason,
        }),
      ),
  }),
);
