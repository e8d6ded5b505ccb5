import { systemClock } from '#shared/clock.ts';
import { formatUsd } from '#shared/money.ts';
import type { TopUp } from '../billing/begin-top-up.ts';
import { documentLink } from '../billing/document-link.ts';
import { type BillingProfile, findTopUps, listTopUps } from '../billing/list-billing.ts';
import { nanoOfCents, usdOfCents } from '../billing/top-up-amount.ts';
import { accountRef } from './account.ts';
import { profilesOf } from './billing-profile.ts';
import { builder } from './builder.ts';
import { inIdOrder } from './id-order.ts';
import { pageById } from './page.ts';
import { accountsToList, onlyVisible, type RequestContext } from './request-context.ts';

const channel = builder.enumType('TopUpChannel', {
  description: 'How a top-up was begun.',
  values: {
    CHECKOUT: { value: 'checkout', description: 'On the Checkout page.' },
    SAVED_CARD: { value: 'saved_card', description: 'With a saved card, by somebody.' },
    AUTOMATIC: { value: 'automatic', description: 'With a saved card, by automatic top-up.' },
  } as const,
});

const status = builder.enumType('TopUpStatus', {
  description: 'Where a top-up stands. Only `SUCCEEDED` has reached the balance.',
  values: {
    PENDING: { value: 'pending', description: 'The customer has not paid yet.' },
    REQUIRES_ACTION: { value: 'requires_action', description: 'The bank wants a confirmation (3-D Secure).' },
    PROCESSING: { value: 'processing', description: 'Paid, but the money has not arrived yet.' },
    SUCCEEDED: { value: 'succeeded', description: 'Paid and credited.' },
    FAILED: { value: 'failed', description: 'Declined; `failureMessage` says what to do.' },
    EXPIRED: { value: 'expired', description: 'Nobody paid in time.' },
    CANCELED: { value: 'canceled', description: 'Given up; nothing was charged.' },
  } as const,
});

const receiptRef = builder.objectRef<TopUp>('Receipt').implement({
  description: 'The receipt of a paid top-up.',
  fields: (t) => ({
    number: t.string({
      description: 'Printed on it; unique.',
      resolve: (topUp) => topUp.receiptNumber ?? '',
    }),
    url: t.string({
      description: 'The PDF; the link works for an hour, for whoever has it.',
      resolve: (topUp, _args, context) => linkTo(context, 'receipts', topUp.id),
    }),
  }),
});

/** A link to a document; empty where no payments are taken, because nothing serves it then. */
export function linkTo(context: RequestContext, kind: 'receipts' | 'statements', id: string): string {
  const { billing, sealingKey } = context;
  if (billing === undefined) return '';
  return documentLink(billing.settings.publicUrl, sealingKey, { kind, id }, systemClock.nowMs());
}

export const topUpRef = builder.loadableNodeRef('TopUp', {
  id: { resolve: (topUp) => topUp.id },
  load: async (ids: string[], context: RequestContext) => {
    const rows = await findTopUps(context.database, ids);
    return inIdOrder(ids, await onlyVisible(context, rows, (row) => row.accountId), (row) => row.id);
  },
  toKey: (topUp) => topUp.id,
  cacheResolved: true,
});

topUpRef.implement({
  description: 'A payment that becomes credit. The amount reaches the balance in full; the fee comes on top.',
  fields: (t) => ({
    account: t.field({ type: accountRef, description: 'Whose it is.', resolve: (topUp) => topUp.accountId }),
    channel: t.field({ type: channel, description: 'How it was begun.', resolve: (topUp) => topUp.channel }),
    status: t.field({ type: status, description: 'Where it stands.', resolve: (topUp) => topUp.status }),
    amountUsd: t.string({
      description: 'What reaches the balance, USD.',
      resolve: (topUp) => usdOfCents(topUp.creditCents),
    }),
    amountNano: t.field({
      type: 'NanoUSD',
      description: 'As `amountUsd`, in nano-USD.',
      resolve: (topUp) => nanoOfCents(topUp.creditCents),
    }),
    feeUsd: t.string({
      description: 'The service fee on top, USD.',
      resolve: (topUp) => usdOfCents(topUp.feeCents),
    }),
    chargedUsd: t.string({
      description: 'What the customer pays: amount and fee, USD.',
      resolve: (topUp) => usdOfCents(topUp.creditCents + topUp.feeCents),
    }),
    refundedUsd: t.string({
      description: 'What was given back of it, USD.',
      resolve: (topUp) => usdOfCents(topUp.refundedCents),
    }),
    disputedUsd: t.string({
      description: 'What is disputed of it, USD; it has left the balance.',
      resolve: (topUp) => usdOfCents(topUp.disputedCents),
    }),
    paidWith: t.exposeString('paymentMethodLabel', {
      nullable: true,
      description: 'Such as "visa …4242" or "alipay"; null until it is paid.',
    }),
    failureCode: t.exposeString('failureCode', {
      nullable: true,
      description: "The payment provider's code of the last decline.",
    }),
    failureMessage: t.exposeString('failureMessage', {
      nullable: true,
      description: 'What happened and what to do, for people.',
    }),
    receipt: t.field({
      type: receiptRef,
      nullable: true,
      description: 'Its receipt; null until it is paid.',
      resolve: (topUp) => (topUp.receiptNumber === null ? null : topUp),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was begun.' }),
    creditedAt: t.expose('creditedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it reached the balance; null until it has.',
    }),
  }),
});

const listArguments = builder.args((t) => ({
  accountId: t.id({ description: 'Only of this account; of all that are yours when left out.' }),
}));

function topUpPage(
  context: RequestContext,
  queryField: 'topUps' | 'receipts',
  { accountId, ...args }: { accountId?: string | number | null | undefined },
) {
  return pageById(args, { order: 'newest-first', idField: 'id' }, async (range) => {
    const within = await accountsToList(context, queryField, accountId);
    const paidOnly = queryField === 'receipts';
    const rows = await listTopUps(context.database, { within, paidOnly }, range);
    await context.access.learn(rows.map((row) => row.accountId));
    return rows;
  });
}

builder.queryFields((t) => ({
  topUps: t.connection(
    {
      type: topUpRef,
      description: 'Top-ups, newest first.',
      args: listArguments,
      resolve: (_root, args, context) => topUpPage(context, 'topUps', args),
    },
    { name: 'TopUpConnection', description: 'A page of top-ups.' },
    { name: 'TopUpEdge', description: 'One of the top-ups of a page.' },
  ),
  receipts: t.connection(
    {
      type: topUpRef,
      description: 'Top-ups that have a receipt, newest first.',
      args: listArguments,
      resolve: (_root, args, context) => topUpPage(context, 'receipts', args),
    },
    { name: 'ReceiptConnection', description: 'A page of top-ups with receipts.' },
    { name: 'ReceiptEdge', description: 'One of the top-ups of a page.' },
  ),
}));

const autoTopUpRef = builder.objectRef<BillingProfile>('AutoTopUp').implement({
  description: 'Tops the balance up by itself, with the default card, whenever it falls below a threshold.',
  fields: (t) => ({
    enabled: t.exposeBoolean('autoTopUpEnabled', { description: 'Whether it is on.' }),
    thresholdUsd: t.string({
      nullable: true,
      description: 'Below this balance it tops up, USD.',
      resolve: ({ autoThresholdNano: nano }) => (nano === null ? null : formatUsd(nano)),
    }),
    amountUsd: t.string({
      nullable: true,
      description: 'By how much, USD; the fee comes on top.',
      resolve: ({ autoAmountCents: cents }) => (cents === null ? null : usdOfCents(cents)),
    }),
    monthlyCapUsd: t.string({
      nullable: true,
      description: 'What it may come to in one calendar month (UTC), USD of credit.',
      resolve: ({ autoMonthlyCapCents: cents }) => (cents === null ? null : usdOfCents(cents)),
    }),
    declines: t.exposeInt('autoDeclines', { description: 'Declines in a row since the last success.' }),
    nextAttemptAt: t.expose('autoNextAttemptAt', {
      type: 'DateTime',
      nullable: true,
      description: 'It pauses until then after a decline; null when it does not pause.',
    }),
    disabledReason: t.exposeString('autoDisabledReason', {
      nullable: true,
      description: 'Why it was switched off or held back by us; null otherwise.',
    }),
  }),
});

builder.objectField(accountRef, 'autoTopUp', (t) =>
  t.field({
    type: autoTopUpRef,
    nullable: true,
    description: 'Its automatic top-up; null while it was never set.',
    resolve: (account, _args, context) => profilesOf(context).load(account.id),
  }),
);
