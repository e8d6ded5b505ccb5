import { eq } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { accounts } from '#db/schema/accounts.ts';
import { formatId } from '#shared/identifiers.ts';
import { queueMail, readMemberAddresses } from '../mail/queue-mail.ts';
import type { TopUp } from './begin-top-up.ts';
import type { BillingSettings } from './billing-settings.ts';
import { adviceFor } from './decline-advice.ts';
import { usdOfCents } from './top-up-amount.ts';

/** What people are told by mail about payments. Each is written once per cause, in the transaction of the cause. */

interface Text {
  readonly cause: string;
  readonly subject: string;
  readonly lines: readonly string[];
}

/** To the members who look after the account's money. */
async function tellAccount(tx: Transaction, accountId: string, { cause, subject, lines }: Text) {
  const [account] = await tx.select({ name: accounts.name }).from(accounts).where(eq(accounts.id, accountId));
  const text = `Account: ${account?.name ?? ''}\n\n${lines.join('\n')}\n`;
  await queueMail(tx, await readMemberAddresses(tx, accountId, 'billing:write'), { cause, subject, text });
}

export async function noticeReceipt(
  tx: Transaction,
  { seller }: BillingSettings,
  topUp: TopUp,
): Promise<void> {
  await tellAccount(tx, topUp.accountId, {
    cause: `receipt:${topUp.id}`,
    subject: `Receipt ${topUp.receiptNumber ?? ''}`,
    lines: [
      topUp.channel === 'automatic'
        ? 'Your balance was topped up automatically.'
        : 'Thank you for your payment.',
      '',
      `Receipt:      ${topUp.receiptNumber ?? ''}`,
      `Seller:       ${seller[0] ?? ''}`,
      `Credit:       USD ${usdOfCents(topUp.creditCents)}`,
      `Service fee:  USD ${usdOfCents(topUp.feeCents)}`,
      `Total:        USD ${usdOfCents(topUp.creditCents + topUp.feeCents)}`,
      `Paid with:    ${topUp.paymentMethodLabel ?? ''}`,
      '',
      'The receipt as a PDF is among the receipts of your account.',
    ],
  });
}

/** For a payment that failed when its customer had left the page, such as a late Alipay payment. */
export async function noticePaymentFailed(
  tx: Transaction,
  topUp: TopUp,
  failureCode: string | null,
): Promise<void> {
  await tellAccount(tx, topUp.accountId, {
    cause: `payment_failed:${topUp.id}`,
    subject: 'Your payment did not arrive',
    lines: [
      `Your top-up of USD ${usdOfCents(topUp.creditCents)} could not be completed. Nothing was credited.`,
      adviceFor(failureCode ?? undefined),
    ],
  });
}

export async function noticeAutoTopUpDeclined(
  tx: Transaction,
  topUp: TopUp,
  result: { readonly nextAttemptAt: Date | null; readonly disabledReason: string | null },
): Promise<void> {
  const off = result.disabledReason !== null;
  await tellAccount(tx, topUp.accountId, {
    cause: `auto_top_up_declined:${topUp.id}`,
    subject: off ? 'Automatic top-up was switched off' : 'Automatic top-up was declined',
    lines: [
      `An automatic top-up of USD ${usdOfCents(topUp.creditCents)} was declined. Nothing was charged.`,
      result.disabledReason ?? `It is tried again after ${result.nextAttemptAt?.toISOString() ?? 'a pause'}.`,
      'Requests are refused once the balance is used up. Top up by hand, or change the card.',
    ],
  });
}

export async function noticeAutoTopUpOff(tx: Transaction, accountId: string, cause: string): Promise<void> {
  await tellAccount(tx, accountId, {
    cause,
    subject: 'Automatic top-up was switched off',
    lines: [
      'No saved card is left, so automatic top-up was switched off.',
      'Pay once through Checkout and keep the card to switch it on again.',
    ],
  });
}

/** Refunds of every kind: also those that an operator made, or that bounced. */
export async function noticeRefund(
  tx: Transaction,
  accountId: string,
  refund: { readonly id: string; readonly cents: number; readonly failed: boolean },
): Promise<void> {
  const usd = usdOfCents(refund.cents);
  await tellAccount(tx, accountId, {
    cause: `refund_${refund.failed ? 'failed' : 'made'}:${refund.id}`,
    subject: refund.failed ? 'A refund could not be made' : 'Your refund is on its way',
    lines: refund.failed
      ? [`A refund of USD ${usd} could not be made. What left your balance for it is there again.`]
      : [`USD ${usd} go back to where the payment came from. That takes some days.`],
  });
}

/** To the operators, who have to answer a dispute in time, and to the account, whose balance has fallen. */
export async function noticeDispute(
  tx: Transaction,
  { operatorMail }: BillingSettings,
  accountId: string,
  dispute: {
    readonly id: string;
    readonly amountCents: number;
    readonly event: 'opened' | 'won' | 'lost';
    readonly suspended: boolean;
  },
): Promise<void> {
  const { id, event, suspended } = dispute;
  const usd = usdOfCents(dispute.amountCents);
  const cause = `dispute_${event}:${id}`;
  await queueMail(tx, operatorMail, {
    cause: `operator_${cause}`,
    subject: `Dispute ${event}: USD ${usd}`,
    text: [
      `Dispute:  ${id}`,
      `Account:  ${formatId('Account', accountId)}`,
      `Amount:   USD ${usd}`,
      event === 'opened' ? "Answer it on the payment provider's pages before its deadline." : '',
      '',
    ].join('\n'),
  });
  const lines = {
    opened: `A payment of USD ${usd} is disputed. Its credit is off the balance until the dispute is decided.`,
    won: `The dispute about USD ${usd} is over; the credit is back on the balance.`,
    lost: `The dispute about USD ${usd} is over; the payment went back to the card.`,
  } as const;
  await tellAccount(tx, accountId, {
    cause,
    subject: event === 'opened' ? 'A payment is disputed' : 'A dispute is decided',
    lines: [lines[event], ...(suspended ? ['Until then the API keys of the account do not work.'] : [])],
  });
}
