import { reachesAccount } from '../accounts/authorize.ts';
import { updateAutoTopUp } from '../billing/auto-top-up.ts';
import { listSavedCards, removeCard, type SavedCard, setDefaultCard } from '../billing/saved-cards.ts';
import { type Outcome, refused, succeeded, userError } from '../user-error.ts';
import { accountRef, freshAccount } from './account.ts';
import { builder } from './builder.ts';
import { encodeGlobalId, uuidOf } from './global-ids.ts';
import { accountsToList, type RequestContext } from './request-context.ts';
import { type Payload, runMutation } from './run-mutation.ts';
import { withStripe } from './top-up-mutations.ts';
import { userErrorsField } from './user-error.ts';

const paymentMethodRef = builder.objectRef<SavedCard>('PaymentMethod').implement({
  description: 'A card that the customer agreed to keep.',
  fields: (t) => ({
    id: t.id({ description: 'Global id.', resolve: (card) => encodeGlobalId('SavedCard', card.id) }),
    brand: t.exposeString('brand', { description: 'Such as "visa".' }),
    last4: t.exposeString('last4', { description: 'The last four digits of its number.' }),
    expiryMonth: t.exposeInt('expiryMonth', { description: '1 to 12.' }),
    expiryYear: t.exposeInt('expiryYear', { description: 'Four digits.' }),
    isDefault: t.exposeBoolean('isDefault', {
      description: 'Whether one-tap and automatic top-ups use it when none is named.',
    }),
  }),
});

builder.queryField('paymentMethods', (t) =>
  t.field({
    type: [paymentMethodRef],
    description: 'The saved cards of an account, the default first; empty when it is not yours.',
    args: { accountId: t.arg.id({ required: true, description: 'Global id of the account.' }) },
    resolve: async (_root, { accountId }, context) => {
      const [only] = (await accountsToList(context, 'paymentMethods', accountId)) ?? [];
      return only === undefined ? [] : await listSavedCards(context.database, only);
    },
  }),
);

type CardPayload = Payload<{ accountId: string }>;

const cardPayload = (name: string, mutation: string) =>
  builder.objectRef<CardPayload>(name).implement({
    description: `The result of \`${mutation}\`.`,
    fields: (t) => ({
      account: t.field({
        type: accountRef,
        nullable: true,
        description: 'The account; null when the mutation was refused.',
        resolve: ({ value }, _args, context) => value && freshAccount(context, value.accountId),
      }),
      paymentMethods: t.field({
        type: [paymentMethodRef],
        description: 'The saved cards as they are now.',
        resolve: ({ value }, _args, context) =>
          value ? listSavedCards(context.database, value.accountId) : [],
      }),
      userErrors: userErrorsField(t),
    }),
  });

const cardInput = (name: string, description: string) =>
  builder.inputType(name, {
    description,
    fields: (t) => ({
      accountId: t.id({ required: true, description: 'Global id of the account.' }),
      paymentMethodId: t.id({ required: true, description: 'Global id of the saved card, `card_…`.' }),
    }),
  });
const setDefaultInput = cardInput('PaymentMethodSetDefaultInput', 'Which card becomes the default.');
const removeInput = cardInput('PaymentMethodRemoveInput', 'Which card to forget.');

const NO_SUCH_ACCOUNT: Outcome<{ accountId: string }> = refused([
  userError('NOT_FOUND', 'No such account.', 'accountId'),
]);

function withAccount(
  outcome: Outcome<{ cardId: string }>,
  accountId: string,
): Outcome<{ accountId: string }> {
  return outcome.ok ? succeeded({ accountId }) : outcome;
}

async function remove(context: RequestContext, input: typeof removeInput.$inferInput): Promise<CardPayload> {
  const accountId = uuidOf('Account', input.accountId);
  const allowed = await runMutation(
    context,
    { mutation: 'paymentMethodRemove', input },
    async (tx, { reach }) =>
      (await reachesAccount(tx, reach, accountId)) ? succeeded({ accountId }) : NO_SUCH_ACCOUNT,
  );
  if (allowed.value === null) return allowed;
  return await withStripe(context, async (billing) =>
    withAccount(await removeCard(billing, accountId, uuidOf('SavedCard', input.paymentMethodId)), accountId),
  );
}

const autoTopUpInput = builder.inputType('AutoTopUpUpdateInput', {
  description: 'How an account tops itself up.',
  fields: (t) => ({
    accountId: t.id({ required: true, description: 'Global id of the account.' }),
    enabled: t.boolean({ required: true, description: 'On or off. On needs the amounts and a saved card.' }),
    thresholdUsd: t.string({ description: 'Top up when the balance is below this, USD.' }),
    amountUsd: t.string({ description: 'By how much, USD in whole cents.' }),
    monthlyCapUsd: t.string({ description: 'At most this much in one calendar month (UTC), USD.' }),
  }),
});

builder.mutationFields((t) => ({
  paymentMethodSetDefault: t.field({
    type: cardPayload('PaymentMethodSetDefaultPayload', 'paymentMethodSetDefault'),
    description: 'Makes a saved card the default. Idempotent.',
    args: { input: t.arg({ type: setDefaultInput, required: true, description: 'Which card.' }) },
    resolve: (_root, { input }, context): Promise<CardPayload> =>
      runMutation(context, { mutation: 'paymentMethodSetDefault', input }, async (tx, { reach }) => {
        const accountId = uuidOf('Account', input.accountId);
        if (!(await reachesAccount(tx, reach, accountId))) return NO_SUCH_ACCOUNT;
        const cardId = uuidOf('SavedCard', input.paymentMethodId);
        return withAccount(await setDefaultCard(tx, accountId, cardId), accountId);
      }),
  }),
  paymentMethodRemove: t.field({
    type: cardPayload('PaymentMethodRemovePayload', 'paymentMethodRemove'),
    description: 'Forgets a saved card at once. Without any card left, automatic top-up is switched off.',
    args: { input: t.arg({ type: removeInput, required: true, description: 'Which card.' }) },
    resolve: (_root, { input }, context): Promise<CardPayload> => remove(context, input),
  }),
  autoTopUpUpdate: t.field({
    type: cardPayload('AutoTopUpUpdatePayload', 'autoTopUpUpdate'),
    description:
      'Switches automatic top-up on or off, or changes its amounts. On again forgets earlier declines.',
    args: { input: t.arg({ type: autoTopUpInput, required: true, description: 'The new state.' }) },
    resolve: (_root, { input }, context): Promise<CardPayload> =>
      runMutation(context, { mutation: 'autoTopUpUpdate', input }, async (tx, { reach }) => {
        const accountId = uuidOf('Account', input.accountId);
        if (!(await reachesAccount(tx, reach, accountId))) return NO_SUCH_ACCOUNT;
        if (context.billing === undefined)
          return refused([userError('PAYMENTS_OFF', 'This installation takes no payments.')]);
        return await updateAutoTopUp(tx, context.billing.settings, {
          accountId,
          enabled: input.enabled,
          thresholdUsd: input.thresholdUsd ?? null,
          amountUsd: input.amountUsd ?? null,
          monthlyCapUsd: input.monthlyCapUsd ?? null,
        });
      }),
  }),
}));
