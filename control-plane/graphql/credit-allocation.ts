import { actorIdOf } from '../accounts/authorize.ts';
import { moveCredit } from '../accounts/move-credit.ts';
import { accountRef, freshAccount } from './account.ts';
import { builder } from './builder.ts';
import { uuidOf } from './global-ids.ts';
import { type RequestContext, requireActor } from './request-context.ts';
import { type Payload, runMutation } from './run-mutation.ts';
import { userErrorsField } from './user-error.ts';

type MovePayload = Payload<{ accountId: string; partnerId: string }>;

const movePayload = (name: string, description: string) =>
  builder.objectRef<MovePayload>(name).implement({
    description,
    fields: (t) => ({
      account: t.field({
        type: accountRef,
        nullable: true,
        description: 'The customer account; null when the mutation was refused.',
        resolve: ({ value }, _args, context) => value && freshAccount(context, value.accountId),
      }),
      partner: t.field({
        type: accountRef,
        nullable: true,
        description: 'The partner account; null when the mutation was refused.',
        resolve: ({ value }, _args, context) => value && freshAccount(context, value.partnerId),
      }),
      userErrors: userErrorsField(t),
    }),
  });

const moveInput = (name: string, description: string) =>
  builder.inputType(name, {
    description,
    fields: (t) => ({
      accountId: t.id({ required: true, description: 'Global id of the customer account.' }),
      amountUsd: t.string({
        required: true,
        description: 'Decimal USD above 0, exact, such as "25.00"; at most what can be spent now.',
      }),
      reason: t.string({ description: '1 to 500 characters; becomes the description of the entries.' }),
      idempotencyKey: t.string({
        description: 'Required here or in the header: the same key moves credit once, ever.',
      }),
    }),
  });

const allocateInput = moveInput('CreditAllocateInput', 'Credit to give to a customer account.');
const reclaimInput = moveInput('CreditReclaimInput', 'Credit to take back from a customer account.');

function move(
  context: RequestContext,
  call: { mutation: 'creditAllocate' | 'creditReclaim'; input: typeof allocateInput.$inferInput },
) {
  const { mutation, input } = call;
  const toCustomer = mutation === 'creditAllocate';
  return runMutation(context, { mutation, input, keyRequired: true }, (tx, { reach, idempotencyKey }) =>
    moveCredit(tx, context.redis, reach, {
      direction: toCustomer ? 'to-customer' : 'to-partner',
      accountId: uuidOf('Account', input.accountId),
      amountUsd: input.amountUsd,
      reason: input.reason ?? (toCustomer ? 'Allocated by the partner' : 'Taken back by the partner'),
      // The answer is forgotten after a day; the ledger remembers its key for good.
      idempotencyKey: `${mutation}:${actorIdOf(requireActor(context))}:${idempotencyKey}`,
    }),
  );
}

builder.mutationFields((t) => ({
  creditAllocate: t.field({
    type: movePayload('CreditAllocatePayload', 'The result of `creditAllocate`.'),
    description:
      "Moves credit from a partner's balance to a customer account that it owns. Needs an idempotency key.",
    args: { input: t.arg({ type: allocateInput, required: true, description: 'The credit.' }) },
    resolve: (_root, { input }, context) => move(context, { mutation: 'creditAllocate', input }),
  }),
  creditReclaim: t.field({
    type: movePayload('CreditReclaimPayload', 'The result of `creditReclaim`.'),
    description:
      "Moves unspent credit of a customer account back to its partner's balance. Needs an idempotency key.",
    args: { input: t.arg({ type: reclaimInput, required: true, description: 'The credit.' }) },
    resolve: (_root, { input }, context) => move(context, { mutation: 'creditReclaim', input }),
  }),
}));
