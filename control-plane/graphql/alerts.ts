import { createContextCache } from '@pothos/core';
import DataLoader from 'dataloader';
import { formatUsd } from '#shared/money.ts';
import { type AlertSettings, findAlerts, setAlertMail, updateAlerts } from '../alerts/set-alerts.ts';
import { accountRef, freshAccount } from './account.ts';
import { builder } from './builder.ts';
import { uuidOf } from './global-ids.ts';
import { memberRef } from './member.ts';
import { type RequestContext, requireActor } from './request-context.ts';
import { type Payload, runMutation } from './run-mutation.ts';
import { userErrorsField } from './user-error.ts';

const alertsOf = createContextCache(
  (context: RequestContext) =>
    new DataLoader<string, AlertSettings>(
      async (accountIds) => {
        const found = new Map(
          (await findAlerts(context.database, accountIds)).map((row) => [row.accountId, row]),
        );
        return accountIds.map(
          (accountId) => found.get(accountId) ?? { accountId, lowBalanceNano: null, lowBalanceSince: null },
        );
      },
      { cache: false },
    ),
);

const alertsRef = builder.objectRef<AlertSettings>('AccountAlerts').implement({
  description: 'What an account is warned of, by mail to its members and by webhooks.',
  fields: (t) => ({
    lowBalanceUsd: t.string({
      nullable: true,
      description: 'A balance below this is told, USD; null for no such warning.',
      resolve: ({ lowBalanceNano: nano }) => (nano === null ? null : formatUsd(nano)),
    }),
    lowBalanceSince: t.expose('lowBalanceSince', {
      type: 'DateTime',
      nullable: true,
      description: 'Since when the balance is below it, as was told; null while it is not.',
    }),
  }),
});

builder.objectField(accountRef, 'alerts', (t) =>
  t.field({
    type: alertsRef,
    description:
      'What it is warned of, besides API keys that near or reach their budgets, which is always told.',
    resolve: (account, _args, context) => alertsOf(context).load(account.id),
  }),
);

builder.objectField(memberRef, 'alertMail', (t) =>
  t.exposeBoolean('alertMail', {
    description: "Whether the person wants mail about the account's balance, limits and webhooks.",
  }),
);

const updateInput = builder.inputType('AlertsUpdateInput', {
  description: 'What an account wants to be warned of.',
  fields: (t) => ({
    accountId: t.id({ required: true, description: 'Global id of the account.' }),
    lowBalanceUsd: t.string({
      description: 'Warn once when the balance falls below this, USD, more than 0; null for no such warning.',
    }),
    idempotencyKey: t.string({ description: 'The same key and input get the same answer for 24 h.' }),
  }),
});
const mailInput = builder.inputType('AlertMailSetInput', {
  description: 'Whether you want mail about an account.',
  fields: (t) => ({
    memberId: t.id({ required: true, description: 'Global id of your own membership, `member_…`.' }),
    enabled: t.boolean({ required: true, description: 'True for mail, false for none.' }),
  }),
});

const updatePayload = builder.objectRef<Payload<{ accountId: string }>>('AlertsUpdatePayload').implement({
  description: 'The result of `alertsUpdate`.',
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
const mailPayload = builder.objectRef<Payload<{ memberId: string }>>('AlertMailSetPayload').implement({
  description: 'The result of `alertMailSet`.',
  fields: (t) => ({
    member: t.field({
      type: memberRef,
      nullable: true,
      description: 'The membership as it is now; null when the mutation was refused.',
      resolve: ({ value }, _args, context) => {
        if (!value) return null;
        memberRef.getDataloader(context).clear(value.memberId);
        return value.memberId;
      },
    }),
    userErrors: userErrorsField(t),
  }),
});

builder.mutationFields((t) => ({
  alertsUpdate: t.field({
    type: updatePayload,
    description: 'Sets the balance below which an account is warned. Idempotent.',
    args: { input: t.arg({ type: updateInput, required: true, description: 'The warnings.' }) },
    resolve: (_root, { input }, context) =>
      runMutation(context, { mutation: 'alertsUpdate', input }, (tx, { reach }) =>
        updateAlerts(tx, reach, {
          accountId: uuidOf('Account', input.accountId),
          lowBalanceUsd: input.lowBalanceUsd ?? null,
        }),
      ),
  }),
  alertMailSet: t.field({
    type: mailPayload,
    description: 'Switches mail about an account on or off for the person of the session. Idempotent.',
    args: { input: t.arg({ type: mailInput, required: true, description: 'Which, and whether.' }) },
    resolve: (_root, { input }, context) => {
      const actor = requireActor(context);
      return runMutation(context, { mutation: 'alertMailSet', input }, (tx) =>
        setAlertMail(tx, {
          memberId: uuidOf('AccountMember', input.memberId),
          userId: actor.kind === 'user' ? actor.userId : null,
          enabled: input.enabled,
        }),
      );
    },
  }),
}));
