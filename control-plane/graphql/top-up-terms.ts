import type { BillingSettings } from '../billing/billing-settings.ts';
import { usdOfCents } from '../billing/top-up-amount.ts';
import { builder } from './builder.ts';

const termsRef = builder.objectRef<BillingSettings>('TopUpTerms').implement({
  description: 'What a top-up may be and what it costs. Amounts are USD.',
  fields: (t) => ({
    minimumUsd: t.string({
      description: 'Smallest amount.',
      resolve: (settings) => usdOfCents(settings.minTopUpCents),
    }),
    maximumUsd: t.string({
      description: 'Largest amount.',
      resolve: (settings) => usdOfCents(settings.maxTopUpCents),
    }),
    dailyLimitUsd: t.string({
      description: 'What one account may top up within 24 hours.',
      resolve: (settings) => usdOfCents(settings.dailyAccountLimitCents),
    }),
    feeBasisPoints: t.exposeInt('feeBasisPoints', {
      description:
        'Service fee on top of the amount, in hundredths of a percent, rounded to the cent: 550 is 5.5 %.',
    }),
    refundWindowDays: t.exposeInt('refundWindowDays', {
      description: 'How long unused credit can be given back at the wish of the customer.',
    }),
  }),
});

builder.queryField('topUpTerms', (t) =>
  t.field({
    type: termsRef,
    nullable: true,
    description: 'What a top-up may be and what it costs; null where no payments are taken.',
    resolve: (_root, _args, { billing }) => billing?.settings,
  }),
);
