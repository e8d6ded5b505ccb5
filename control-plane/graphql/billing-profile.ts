import { createContextCache } from '@pothos/core';
import DataLoader from 'dataloader';
import { reachesAccount } from '../accounts/authorize.ts';
import { type BillingProfile, findProfiles } from '../billing/list-billing.ts';
import { updateBillingProfile } from '../billing/update-billing-profile.ts';
import { refused, userError } from '../user-error.ts';
import { accountRef, freshAccount } from './account.ts';
import { builder } from './builder.ts';
import { uuidOf } from './global-ids.ts';
import type { RequestContext } from './request-context.ts';
import { type Payload, runMutation } from './run-mutation.ts';
import { userErrorsField } from './user-error.ts';

/** The billing profiles of accounts; `undefined` where nothing was ever set. */
export const profilesOf = createContextCache(
  (context: RequestContext) =>
    new DataLoader<string, BillingProfile | undefined>(
      async (accountIds) => {
        const found = await findProfiles(context.database, accountIds);
        return accountIds.map((id) => found.find((profile) => profile.accountId === id));
      },
      // A mutation that follows in the same request must not see the old state.
      { cache: false },
    ),
);

const billingProfileRef = builder.objectRef<BillingProfile>('BillingProfile').implement({
  description: 'What receipts and statements say about who pays.',
  fields: (t) => ({
    companyName: t.exposeString('companyName', {
      nullable: true,
      description: 'Instead of the account name.',
    }),
    taxNumber: t.exposeString('taxId', {
      nullable: true,
      description: 'Such as a VAT number; printed as it is.',
    }),
    billingAddress: t.exposeString('billingAddress', {
      nullable: true,
      description: 'Lines, separated by line feeds.',
    }),
  }),
});

builder.objectField(accountRef, 'billingProfile', (t) =>
  t.field({
    type: billingProfileRef,
    nullable: true,
    description: 'What its receipts say about it; null while nothing was set.',
    resolve: (account, _args, context) => profilesOf(context).load(account.id),
  }),
);

type ProfilePayload = Payload<{ accountId: string }>;

const input = builder.inputType('BillingProfileUpdateInput', {
  description: 'What to print on receipts and statements. What is left out stays; null clears it.',
  fields: (t) => ({
    accountId: t.id({ required: true, description: 'Global id of the account.' }),
    companyName: t.string({ description: '1 to 128 characters.' }),
    taxNumber: t.string({ description: '1 to 128 characters, such as a VAT number.' }),
    billingAddress: t.string({ description: 'Up to 6 lines of up to 128 characters.' }),
  }),
});

const payload = builder.objectRef<ProfilePayload>('BillingProfileUpdatePayload').implement({
  description: 'The result of `billingProfileUpdate`.',
  fields: (t) => ({
    account: t.field({
      type: accountRef,
      nullable: true,
      description: 'The account; null when the mutation was refused.',
      resolve: ({ value }, _args, context) => value && freshAccount(context, value.accountId),
    }),
    userErrors: userErrorsField(t),
  }),
});

builder.mutationField('billingProfileUpdate', (t) =>
  t.field({
    type: payload,
    description: 'Changes what receipts and statements say about who pays. Idempotent.',
    args: { input: t.arg({ type: input, required: true, description: 'What to print.' }) },
    resolve: (_root, args, context): Promise<ProfilePayload> =>
      runMutation(context, { mutation: 'billingProfileUpdate', input: args.input }, async (tx, { reach }) => {
        const accountId = uuidOf('Account', args.input.accountId);
        if (!(await reachesAccount(tx, reach, accountId)))
          return refused([userError('NOT_FOUND', 'No such account.', 'accountId')]);
        const { companyName, taxNumber, billingAddress } = args.input;
        return await updateBillingProfile(tx, {
          accountId,
          companyName,
          taxId: taxNumber,
          billingAddress,
        });
      }),
  }),
);
