import { TEST_CARDS } from './payments.ts';
import type { BookedIntent, BookedSession, StripeBook } from './stripe-book.ts';

/** The pages that people see of the stand-in. Plain forms; no script. */

const STYLE = `
  :root { color-scheme: light dark; --back: #f6f7f9; --card: #fff; --text: #1a1f36; --soft: #59636e; --line: #e3e8ee; --bad: #b3093c }
  @media (prefers-color-scheme: dark) { :root { --back: #14161a; --card: #1f2329; --text: #eceff4; --soft: #a5afbb; --line: #39414b; --bad: #ff8aa5 } }
  * { box-sizing: border-box }
  body { font: 16px/1.5 system-ui, sans-serif; margin: 0; background: var(--back); color: var(--text) }
  main { max-width: 28rem; margin: 3rem auto; background: var(--card); border-radius: .75rem; padding: 2rem; box-shadow: 0 1px 4px #0002; overflow-wrap: anywhere }
  main.wide { max-width: 60rem }
  @media (max-width: 32rem) { main { max-width: none; margin: 0; border-radius: 0; padding: 1.25rem; min-height: 100vh } }
  h1 { font-size: 1.25rem; margin: 0 0 1rem } table { width: 100%; border-collapse: collapse; margin: 0 0 1.5rem }
  td, th { padding: .25rem .5rem .25rem 0; text-align: left; vertical-align: top } td.amount { text-align: right; white-space: nowrap; padding-right: 0 } .wide td.amount { padding-right: 1rem } tr.total td { border-top: 1px solid var(--line); font-weight: 600 }
  label { display: block; margin: .75rem 0 .25rem } select { width: 100%; padding: .6rem; font: inherit; color: inherit; background: var(--card); border: 1px solid var(--soft); border-radius: .4rem }
  button { width: 100%; min-height: 2.75rem; padding: .6rem; margin-top: .75rem; font: inherit; font-weight: 600; border: 0; border-radius: .4rem; background: #5851df; color: #fff; cursor: pointer }
  button.second { background: var(--line); color: var(--text) } .wide button { width: auto; min-height: 0; margin: 0 .25rem .25rem 0; padding: .25rem .6rem }
  :focus-visible { outline: 3px solid #5851df; outline-offset: 2px } .note { color: var(--soft); font-size: .875rem; margin: 1rem 0 0 } .bad { color: var(--bad) }`;

function page(title: string, body: string, kind = ''): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title><link rel="icon" href="data:,"><style>${STYLE}</style><main class="${kind}">${body}
<p class="note">This is the development stand-in for Stripe. No money moves.</p></main></html>`;
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function dollars(cents: number): string {
  return `$${(cents / 100).toFixed(2)}`;
}

const CARD_LABELS: Readonly<Record<string, string>> = {
  pays: 'is accepted',
  declined: 'is declined',
  insufficient_funds: 'has insufficient funds',
  asks_for_confirmation: 'asks for a confirmation (3-D Secure)',
  declines_after_first: 'is accepted once, then declined',
};

export function checkoutPage(session: BookedSession, problem: string | null): string {
  const total = session.lines.reduce((sum, line) => sum + line.amount, 0);
  const row = (name: string, amount: number, kind: string) =>
    `<tr class="${kind}"><td>${escapeHtml(name)}</td><td class="amount">${dollars(amount)}</td></tr>`;
  const rows = session.lines.map((line) => row(line.name, line.amount, '')).join('');
  const cards = Object.entries(TEST_CARDS)
    .map(
      ([number, { brand, conduct }]) =>
        `<option value="${number}">${brand} …${number.slice(-4)} ${CARD_LABELS[conduct]}</option>`,
    )
    .join('');
  return page(
    'Checkout',
    `<h1>Pay ${dollars(total)}</h1><table>${rows}${row('Total', total, 'total')}</table>
${problem === null ? '' : `<p class="bad" role="alert">${escapeHtml(problem)}</p>`}
<form method="post"><label for="card">Card</label><select id="card" name="card">${cards}</select>
${session.keepsCard ? '<p class="note">The card is kept for later top-ups.</p>' : ''}
<button name="pay" value="card">Pay with card</button>
<button class="second" name="pay" value="alipay">Pay with Alipay (arrives later)</button>
<button class="second" name="pay" value="cancel">Cancel</button></form>`,
  );
}

export function confirmationPage(intent: BookedIntent): string {
  return page(
    'Confirm the payment',
    `<h1>Your bank asks</h1><p>Confirm the payment of ${dollars(intent.amount)}?</p>
<form method="post"><button name="answer" value="yes">Confirm</button>
<button class="second" name="answer" value="no">Refuse</button></form>`,
  );
}

export function messagePage(title: string, text: string): string {
  return page(title, `<h1>${escapeHtml(title)}</h1><p>${escapeHtml(text)}</p>`);
}

const SHOWN_PAYMENTS = 100;

/** What a shop does on Stripe's own pages: refunds payments, and sees how disputes go. */
export function dashboardPage(book: StripeBook): string {
  const rows = Object.values(book.intents)
    .reverse()
    .slice(0, SHOWN_PAYMENTS)
    .map((intent) => {
      const dispute = Object.values(book.disputes).find((each) => each.intent === intent.id);
      return `<tr><td>${intent.id}</td><td class="amount">${dollars(intent.amount)}</td><td>${intent.status}${
        intent.amountRefunded > 0 ? `, ${dollars(intent.amountRefunded)} refunded` : ''
      }${dispute ? `, dispute ${dispute.status}` : ''}</td><td><form method="post">${actionsOf(intent, dispute)}</form></td></tr>`;
    })
    .join('');
  return page(
    'Payments',
    `<h1>Payments</h1><table><tr><th>Payment</th><th>Amount</th><th>State</th><th>Do</th></tr>${rows}</table>`,
    'wide',
  );
}

function actionsOf(
  intent: BookedIntent,
  dispute: { readonly id: string; readonly status: string } | undefined,
): string {
  const button = (name: string, id: string, label: string) =>
    `<button class="second" name="${name}" value="${id}">${label}</button>`;
  if (dispute?.status === 'needs_response')
    return button('win', dispute.id, 'Win the dispute') + button('lose', dispute.id, 'Lose the dispute');
  if (dispute !== undefined || intent.status !== 'succeeded') return '';
  return button('refund', intent.id, 'Refund') + button('dispute', intent.id, 'Dispute');
}
