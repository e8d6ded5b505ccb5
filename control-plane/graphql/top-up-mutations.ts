import Stripe from 'stripe';
import { reachesAccount } from '../accounts/authorize.ts';
import { beginTopUp } from '../billing/begin-top-up.ts';
import type { BillingContext } from '../billing/billing-context.ts';
import { openCheckout, settleTwinPage } from '../billing/open-checkout.ts';
import { payWithSavedCard, type RequiredAction } from '../billing/pay-with-saved-card.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { builder } from './builder.ts';
import { uuidOf } from './global-ids.ts';
import type { RequestContext } from './request-context.ts';
import { type CallScope, type Payload, runMutation } from './run-mutation.ts';
import { topUpRef } from './top-up.ts';
import { userErrorsField } from './user-error.ts';

const PAYMENTS_OFF = userError('PAYMENTS_OFF', 'This installation takes no payments.');
const STRIPE_AWAY = userError(
  'TRY_AGAIN',
  'The payment provider cannot be reached right now. Send the same request again in a moment: it is charged once.',
);

const KEY_REFUSED = userError(
  'PAYMENTS_OFF',
  'The payment provider does not accept this installation at the moment. Nothing was charged.',
);

/** Runs the part of a mutation that talks to Stripe, after its row is committed. */
export async function withStripe<Value>(
  context: RequestContext,
  work: (billing: BillingContext) => Promise<Outcome<Value>>,
): Promise<Payload<Value>> {
  if (context.billing === undefined) return { value: null, userErrors: [PAYMENTS_OFF] };
  try {
    const outcome = await work(context.billing);
    return outcome.ok
      ? { value: outcome.value, userErrors: [] }
      : { value: null, userErrors: outcome.errors };
  } catch (error) {
    if (refusesOurKey(error)) return { value: null, userErrors: [KEY_REFUSED] };
    if (!isAway(error)) throw error;
    return { value: null, userErrors: [STRIPE_AWAY] };
  }
}

/** Away, too busy, or still at work on the same request of a second click. */
function isAway(error: unknown): boolean {
  const { errors } = Stripe;
  return (
    error instanceof errors.StripeConnectionError ||
    error instanceof errors.StripeAPIError ||
    error instanceof errors.StripeRateLimitError ||
    error instanceof errors.StripeIdempotencyError
  );
}

function refusesOurKey(error: unknown): boolean {
  const { errors } = Stripe;
  return error instanceof errors.StripeAuthenticationError || error instanceof errors.StripePermissionError;
}

/** As a step between two others: a payload whose value may be missing. */
function outcomeOf<Value>({ value, userErrors }: Payload<Value>): Outcome<Value> {
  return value === null ? refused(userErrors) : succeeded(value);
}

interface TopUpInput {
  readonly accountId: string | number;
  readonly amountUsd: string;
  readonly idempotencyKey?: string | null | undefined;
}

/** Writes the wish down, once per idempotency key; the same key finds the same row again. */
async function begin(
  context: RequestContext,
  billing: BillingContext,
  call: {
    readonly mutation: 'topUpCheckoutCreate' | 'topUpCreate';
    readonly input: TopUpInput;
    readonly savedCardId: string | null;
    readonly saveCard: boolean;
  },
): Promise<Outcome<{ topUpId: string }>> {
  const { mutation, input } = call;
  const accountId = uuidOf('Account', input.accountId);
  const payload = await runMutation(
    context,
    { mutation, input, keyRequired: true },
    async (tx, { reach }: CallScope) => {
      if (!(await reachesAccount(tx, reach, accountId)))
        return refused([userError('NOT_FOUND', 'No such account.', 'accountId')]);
      return await beginTopUp(tx, billing.settings, {
        accountId,
        amountUsd: input.amountUsd,
        channel: mutation === 'topUpCreate' ? 'saved_card' : 'checkout',
        savedCardId: call.savedCardId,
        saveCard: call.saveCard,
      });
    },
  );
  return outcomeOf(payload);
}

type CheckoutPayload = Payload<{ topUpId: string; url: string }>;

const checkoutInput = builder.inputType('TopUpCheckoutCreateInput', {
  description: 'A top-up to pay on the Checkout page.',
  fields: (t) => ({
    accountId: t.id({ required: true, description: 'Global id of the account to credit.' }),
    amountUsd: t.string({
      required: true,
      description: 'What is to reach the balance, USD in whole cents, such as "25.00". The fee comes on top.',
    }),
    saveCard: t.boolean({
      description:
        'True when the customer agrees that the card is kept for later top-ups. Alipay is never kept.',
    }),
    idempotencyKey: t.string({ description: 'Required here or in the header: the same key is one top-up.' }),
  }),
});

const checkoutPayload = builder.objectRef<CheckoutPayload>('TopUpCheckoutCreatePayload').implement({
  description: 'The result of `topUpCheckoutCreate`.',
  fields: (t) => ({
    topUp: t.field({
      type: topUpRef,
      nullable: true,
      description: 'The top-up; null when the mutation was refused.',
      resolve: ({ value }) => value?.topUpId,
    }),
    checkoutUrl: t.string({
      nullable: true,
      description: "Send the customer's browser here to pay by card or Alipay.",
      resolve: ({ value }) => value?.url,
    }),
    userErrors: userErrorsField(t),
  }),
});

type TopUpPayload = Payload<{ topUpId: string; action: RequiredAction | undefined }>;

const createInput = builder.inputType('TopUpCreateInput', {
  description: 'A top-up with a saved card.',
  fields: (t) => ({
    accountId: t.id({ required: true, description: 'Global id of the account to credit.' }),
    amountUsd: t.string({
      required: true,
      description: 'What is to reach the balance, USD in whole cents, such as "25.00". The fee comes on top.',
    }),
    paymentMethodId: t.id({ description: 'Global id of the saved card; the default card when left out.' }),
    idempotencyKey: t.string({ description: 'Required here or in the header: the same key charges once.' }),
  }),
});

const requiredAction = builder.objectRef<RequiredAction>('TopUpRequiredAction').implement({
  description: 'The bank wants the customer to confirm the payment (3-D Secure).',
  fields: (t) => ({
    clientSecret: t.exposeString('clientSecret', {
      description: "For `handleNextAction` of the payment provider's script in the customer's browser.",
    }),
    url: t.exposeString('url', {
      nullable: true,
      description: 'A page to send the browser to instead, where there is one.',
    }),
  }),
});

const createPayload = builder.objectRef<TopUpPayload>('TopUpCreatePayload').implement({
  description:
    'The result of `topUpCreate`. A decline is no user error: the top-up exists, with status `FAILED` and the reason.',
  fields: (t) => ({
    topUp: t.field({
      type: topUpRef,
      nullable: true,
      description: 'The top-up as it is now; null when the mutation was refused.',
      resolve: ({ value }) => value?.topUpId,
    }),
    requiredAction: t.field({
      type: requiredAction,
      nullable: true,
      description: 'What the customer has to do; null when nothing.',
      resolve: ({ value }) => value?.action,
    }),
    userErrors: userErrorsField(t),
  }),
});

builder.mutationFields((t) => ({
  topUpCheckoutCreate: t.field({
    type: checkoutPayload,
    description:
      'Begins a top-up that is paid on the Checkout page: card or Alipay. The credit arrives once the payment is confirmed.',
    args: { input: t.arg({ type: checkoutInput, required: true, description: 'The top-up.' }) },
    resolve: (_root, { input }, context): Promise<CheckoutPayload> =>
      withStripe(context, async (billing) => {
        const saveCard = input.saveCard ?? false;
        const call = { mutation: 'topUpCheckoutCreate', input, savedCardId: null, saveCard } as const;
        const { amountUsd } = input;
        await settleTwinPage(billing, { accountId: uuidOf('Account', input.accountId), amountUsd, saveCard });
        const begun = await begin(context, billing, call);
        if (!begun.ok) return begun;
        return await openCheckout(billing, begun.value.topUpId);
      }),
  }),
  topUpCreate: t.field({
    type: createPayload,
    description:
      'Charges a saved card. Two of the same card and amount within a minute are one: a double click or a second tab charges once.',
    args: { input: t.arg({ type: createInput, required: true, description: 'The top-up.' }) },
    resolve: (_root, { input }, context): Promise<TopUpPayload> =>
      withStripe(context, async (billing) => {
        const savedCardId = input.paymentMethodId == null ? null : uuidOf('SavedCard', input.paymentMethodId);
        const call = { mutation: 'topUpCreate', input, savedCardId, saveCard: false } as const;
        const begun = await begin(context, billing, call);
        if (!begun.ok) return begun;
        const { topUpId } = begun.value;
        const action = await payWithSavedCard(billing, topUpId);
        topUpRef.getDataloader(context).clear(topUpId);
        return succeeded({ topUpId, action });
      }),
  }),
}));
