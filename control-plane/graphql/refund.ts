import { eq } from 'drizzle-orm';
import { refunds } from '#db/schema/billing.ts';
import { parseUsd } from '#shared/money.ts';
import { accountsWithin } from '../accounts/authorize.ts';
import { findTopUps } from '../billing/list-billing.ts';
import { beginRefund, sendRefund } from '../billing/refund-top-up.ts';
import { ignoreStripeFailure } from '../billing/stripe-client.ts';
import { NANO_PER_CENT } from '../billing/top-up-amount.ts';
import { readBalances } from '../ledger/read-balances.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { builder } from './builder.ts';
import { uuidOf } from './global-ids.ts';
import { type RequestContext, requireActor } from './request-context.ts';
import { type Payload, runMutation } from './run-mutation.ts';
import { topUpRef } from './top-up.ts';
import { userErrorsField } from './user-error.ts';

type RefundPayload = Payload<{ refundId: string; topUpId: string }>;

const refundStatus = builder.enumType('RefundStatus', {
  description: 'Where a refund stands.',
  values: {
    PENDING: { value: 'pending', description: 'On its way; the credit has left the balance.' },
    SUCCEEDED: { value: 'succeeded', description: 'Given back.' },
    FAILED: { value: 'failed', description: 'It could not be made; the credit is back on the balance.' },
  } as const,
});

const input = builder.inputType('RefundCreateInput', {
  description: 'Unused credit to give back.',
  fields: (t) => ({
    topUpId: t.id({ required: true, description: 'Global id of the top-up, `topup_…`.' }),
    amountUsd: t.string({
      description: 'How much of its credit, USD in whole cents; all that is unused when left out.',
    }),
    reason: t.string({ description: '1 to 500 characters, for the records.' }),
    idempotencyKey: t.string({ description: 'Required here or in the header: the same key refunds once.' }),
  }),
});

const payload = builder.objectRef<RefundPayload>('RefundCreatePayload').implement({
  description: 'The result of `refundCreate`.',
  fields: (t) => ({
    topUp: t.field({
      type: topUpRef,
      nullable: true,
      description: 'The top-up as it is now; null when the mutation was refused.',
      resolve: ({ value }, _args, context) => {
        if (!value) return null;
        topUpRef.getDataloader(context).clear(value.topUpId);
        return value.topUpId;
      },
    }),
    refundStatus: t.field({
      type: refundStatus,
      nullable: true,
      description: 'Where the refund stands; null when the mutation was refused.',
      resolve: async ({ value }, _args, context) => {
        if (!value) return null;
        const [row] = await context.database
          .select({ status: refunds.status })
          .from(refunds)
          .where(eq(refunds.id, value.refundId));
        return row?.status ?? null;
      },
    }),
    userErrors: userErrorsField(t),
  }),
});

async function refund(context: RequestContext, given: typeof input.$inferInput): Promise<RefundPayload> {
  const { billing } = context;
  if (billing === undefined)
    return { value: null, userErrors: [userError('PAYMENTS_OFF', 'This installation takes no payments.')] };
  const topUpId = uuidOf('TopUp', given.topUpId);
  const begun = await runMutation(
    context,
    { mutation: 'refundCreate', input: given, keyRequired: true },
    async (tx, { reach }): Promise<Outcome<{ refundId: string; topUpId: string }>> => {
      const [topUp] = await findTopUps(context.database, [topUpId]);
      const reachable = topUp && (await accountsWithin(tx, reach, [topUp.accountId])).has(topUp.accountId);
      if (!reachable) return refused([userError('NOT_FOUND', 'No such top-up.', 'topUpId')]);
      const nano = given.amountUsd == null ? null : parseUsd(given.amountUsd);
      if (nano === undefined || (nano !== null && nano % NANO_PER_CENT !== 0n))
        return refused([userError('INVALID_INPUT', 'The amount is USD in whole cents.', 'amountUsd')]);
      const [balance] = await readBalances(tx, context.redis, [topUp.accountId]);
      const outcome = await beginRefund(tx, billing.settings, {
        topUpId,
        creditCents: nano === null ? null : Number(nano / NANO_PER_CENT),
        availableNano: balance?.availableNano ?? 0n,
        reason: given.reason ?? 'Asked for by the customer',
        byOperator: requireActor(context).kind === 'operator',
      });
      return outcome.ok ? succeeded({ refundId: outcome.value.refundId, topUpId }) : outcome;
    },
  );
  // Should Stripe be away, the reconciliation sends it: the credit is off the balance already.
  if (begun.value !== null) await sendRefund(billing, begun.value.refundId).catch(ignoreStripeFailure);
  return begun;
}

builder.mutationField('refundCreate', (t) =>
  t.field({
    type: payload,
    description:
      'Gives unused credit of a top-up back to where it came from. Customers may within the refund window, operators at any time; a full refund by an operator includes the fee.',
    args: { input: t.arg({ type: input, required: true, description: 'What to give back.' }) },
    resolve: (_root, args, context): Promise<RefundPayload> => refund(context, args.input),
  }),
);
