import { TEST_CARDS } from './payments.ts';
import type { BookedIntent, BookedSession } from './stripe-book.ts';

/** The pages that a customer of the stand-in sees. Plain forms; no script. */

const STYLE = `
  body { font: 16px/1.5 system-ui, sans-serif; margin: 0; background: #f6f7f9; color: #1a1f36 }
  main { max-width: 26rem; margin: 3rem auto; background: #fff; border-radius: .75rem; padding: 2rem; box-shadow: 0 1px 4px #0002 }
  h1 { font-size: 1.25rem; margin: 0 0 1rem } table { width: 100%; border-collapse: collapse; margin: 0 0 1.5rem }
  td { padding: .25rem 0 } td + td { text-align: right } tr:last-child td { border-top: 1px solid #e3e8ee; font-weight: 600 }
  label { display: block; margin: .75rem 0 .25rem } select { width: 100%; padding: .5rem; font: inherit }
  button { width: 100%; padding: .6rem; margin-top: .75rem; font: inherit; font-weight: 600; border: 0; border-radius: .4rem; background: #635bff; color: #fff; cursor: pointer }
  button.second { background: #e3e8ee; color: #1a1f36 } .note { color: #697386; font-size: .875rem } .bad { color: #b3093c }`;

function page(title: string, body: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title><style>${STYLE}</style><main>${body}
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
  const rows = [...session.lines, { name: 'Total', amount: total }]
    .map((line) => `<tr><td>${escapeHtml(line.name)}</td><td>${dollars(line.amount)}</td></tr>`)
    .join('');
  const cards = Object.entries(TEST_CARDS)
    .map(([number, { conduct }]) => `<option value="${number}">${number} ${CARD_LABELS[conduct]}</option>`)
    .join('');
  return page(
    'Checkout',
    `<h1>Pay ${dollars(total)}</h1><table>${rows}</table>
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
