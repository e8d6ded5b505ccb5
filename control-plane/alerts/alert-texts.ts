/** Every kind of mail about an account's money and limits. */
export type AlertKind = 'balance_low' | 'spend_limit' | 'webhook_endpoint_disabled';
type Data = Readonly<Record<string, string>>;

interface AlertText {
  readonly subject: string;
  readonly text: string;
}

const TEXTS: Readonly<Record<AlertKind, (account: string, data: Data) => AlertText>> = {
  balance_low: (account, { balanceUsd, thresholdUsd }) => ({
    subject: 'The balance of your CrossModel account is low',
    text: `The balance of the account "${account}" is ${balanceUsd} USD, below the ${thresholdUsd} USD at which you asked to be warned. Requests are refused once it is spent.\n\nYou are warned again after the balance has been at or above that amount.`,
  }),
  spend_limit: (account, { keyName, percent, spentUsd, limitUsd, period }) => ({
    subject:
      percent === '100'
        ? 'An API key of your CrossModel account has spent its budget'
        : `An API key of your CrossModel account has spent ${percent} % of its budget`,
    text: `The API key "${keyName}" of the account "${account}" has spent ${spentUsd} USD of its budget of ${limitUsd} USD (${period}).${
      percent === '100' ? ' Its requests are refused until the budget begins anew or is raised.' : ''
    }`,
  }),
  webhook_endpoint_disabled: (account, { host, reason }) => ({
    subject: 'A webhook endpoint of your CrossModel account was switched off',
    text: `The webhook endpoint at ${host} of the account "${account}" was switched off: ${
      reason === 'gone'
        ? 'it answered 410, which says that it is gone'
        : 'every delivery to it has failed for five days'
    }. Enable it again once it works; what it has missed can be sent again from its log.`,
  }),
};

export function alertText(kind: AlertKind, account: string, data: Data): AlertText {
  const { subject, text } = TEXTS[kind](account, data);
  const ending = 'You get this mail as a member of the account; `alertMailSet` of the API switches it off.';
  return { subject, text: `${text}\n\n${ending}\n` };
}
