/** What a customer can do about a decline. Codes that would tell a thief more than a customer get the general advice. */
const ADVICE: Readonly<Record<string, string>> = {
  insufficient_funds: 'The card has insufficient funds. Use another card or a smaller amount.',
  expired_card: 'The card has expired. Use another card.',
  incorrect_cvc: 'The security code is wrong. Check it and try again.',
  incorrect_number: 'The card number is wrong. Check it and try again.',
  processing_error: 'The bank could not process the payment. Try again in a moment.',
  card_not_supported: 'The card does not allow this kind of purchase. Use another card.',
  currency_not_supported: 'The card does not support US dollars. Use another card.',
  card_velocity_exceeded: 'The card is over its limit. Use another card or try again tomorrow.',
  withdrawal_count_limit_exceeded: 'The card is over its limit. Use another card or try again tomorrow.',
  authentication_required: 'The bank wants you to confirm this payment. Top up by hand and confirm it.',
  payment_intent_authentication_failure: 'The confirmation with your bank failed. Try again.',
  resource_missing: 'The card cannot be used any more. Use another card.',
  payment_intent_payment_attempt_failed: 'The payment did not arrive. Try again or use another way to pay.',
  card_declined: 'The bank declined the card without saying why. Ask the bank or use another card.',
};
const GENERAL = 'The bank declined the payment. Use another card, or ask your bank.';

export function adviceFor(code: string | undefined): string {
  return (code !== undefined ? ADVICE[code] : undefined) ?? GENERAL;
}
