import { eq } from 'drizzle-orm';
import PDFDocument from 'pdfkit';
import type { Database } from '#db/client.ts';
import { accounts } from '#db/schema/accounts.ts';
import { billingProfiles, statements, topUps } from '#db/schema/billing.ts';
import { formatUsd } from '#shared/money.ts';
import { usdOfCents } from './top-up-amount.ts';

const PAGE_MARGIN = 56;
const TITLE_SIZE = 20;
const TEXT_SIZE = 10;
const AMOUNT_COLUMN = 400;
const AMOUNT_WIDTH = 140;
const PAGE_BOTTOM = 760;

type Row = readonly [label: string, amount: string];

interface BillTo {
  readonly accountName: string;
  readonly companyName: string | null;
  readonly taxId: string | null;
  readonly billingAddress: string | null;
}

/** The receipt of a paid top-up as a PDF; `undefined`: there is none. */
export async function receiptPdf(database: Database, topUpId: string): Promise<Buffer | undefined> {
  const [row] = await database
    .select({ topUp: topUps, accountName: accounts.name, profile: billingProfiles })
    .from(topUps)
    .innerJoin(accounts, eq(accounts.id, topUps.accountId))
    .leftJoin(billingProfiles, eq(billingProfiles.accountId, topUps.accountId))
    .where(eq(topUps.id, topUpId));
  if (row?.topUp.creditedAt == null || row.topUp.receiptNumber === null) return undefined;
  const { topUp } = row;
  return await render('Receipt', row.topUp.receiptNumber, billTo(row.accountName, row.profile), [
    ['Paid on', `${row.topUp.creditedAt.toISOString().slice(0, 10)} (UTC)`],
    ['Paid with', topUp.paymentMethodLabel ?? ''],
    ['', ''],
    ['CrossModel credit', `USD ${usdOfCents(topUp.creditCents)}`],
    ['Service fee', `USD ${usdOfCents(topUp.feeCents)}`],
    ['Total', `USD ${usdOfCents(topUp.creditCents + topUp.feeCents)}`],
    ...(topUp.refundedCents > 0 ? [['Refunded', `USD ${usdOfCents(topUp.refundedCents)}`] as const] : []),
  ]);
}

/** A monthly statement as a PDF; `undefined`: there is none. */
export async function statementPdf(database: Database, statementId: string): Promise<Buffer | undefined> {
  const [row] = await database
    .select({ statement: statements, accountName: accounts.name, profile: billingProfiles })
    .from(statements)
    .innerJoin(accounts, eq(accounts.id, statements.accountId))
    .leftJoin(billingProfiles, eq(billingProfiles.accountId, statements.accountId))
    .where(eq(statements.id, statementId));
  if (row === undefined) return undefined;
  const { statement } = row;
  return await render(
    `Statement for ${statement.month}`,
    statement.number,
    billTo(row.accountName, row.profile),
    [
      ['Opening balance', `USD ${formatUsd(statement.openingNano)}`],
      ['Top-ups', `USD ${formatUsd(statement.toppedUpNano)}`],
      ['Usage', `USD ${formatUsd(statement.usageNano)}`],
      ['Other movements', `USD ${formatUsd(statement.otherNano)}`],
      ['Closing balance', `USD ${formatUsd(statement.closingNano)}`],
      ['', ''],
      ['Usage by model, by the time of the request', ''],
      ...statement.usageByModel.map(
        ({ model, requests, costNano }) =>
          [`${model} (${requests} requests)`, `USD ${formatUsd(BigInt(costNano))}`] as const,
      ),
    ],
  );
}

function billTo(accountName: string, profile: typeof billingProfiles.$inferSelect | null): BillTo {
  return {
    accountName,
    companyName: profile?.companyName ?? null,
    taxId: profile?.taxId ?? null,
    billingAddress: profile?.billingAddress ?? null,
  };
}

async function render(title: string, number: string, to: BillTo, rows: readonly Row[]): Promise<Buffer> {
  const document = new PDFDocument({
    size: 'A4',
    margin: PAGE_MARGIN,
    info: { Title: `${title} ${number}` },
  });
  const chunks: Buffer[] = [];
  document.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise((resolve) => document.once('end', resolve));
  document.fontSize(TITLE_SIZE).text(title).fontSize(TEXT_SIZE).text(`No. ${number}`).moveDown();
  document.text(printable(to.companyName ?? to.accountName));
  if (to.companyName !== null) document.text(printable(to.accountName));
  if (to.billingAddress !== null) document.text(printable(to.billingAddress));
  if (to.taxId !== null) document.text(`Tax id: ${printable(to.taxId)}`);
  document.moveDown(2);
  for (const [label, amount] of rows) {
    if (document.y > PAGE_BOTTOM) document.addPage();
    const { y } = document;
    document.text(printable(label), PAGE_MARGIN, y, { width: AMOUNT_COLUMN - PAGE_MARGIN - 8 });
    const after = document.y;
    document.text(amount, AMOUNT_COLUMN, y, { width: AMOUNT_WIDTH, align: 'right' });
    document.y = Math.max(after, document.y);
  }
  document.end();
  await ended;
  return Buffer.concat(chunks);
}

/** The built-in fonts of PDF know Latin letters only. */
function printable(text: string): string {
  return text.normalize('NFC').replaceAll(/[^\x20-\x7e\u00a0-\u00ff\n…–—‘’“”•€]/g, '?');
}
