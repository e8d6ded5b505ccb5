import { eq } from 'drizzle-orm';
import PDFDocument from 'pdfkit';
import { accounts } from '#db/schema/accounts.ts';
import { billingProfiles, statements, topUps } from '#db/schema/billing.ts';
import { formatUsd } from '#shared/money.ts';
import type { BillingContext } from './billing-context.ts';
import type { BillingSettings } from './billing-settings.ts';
import { usdOfCents } from './top-up-amount.ts';

const PAGE_MARGIN = 56;
const TITLE_SIZE = 20;
const TEXT_SIZE = 10;
const AMOUNT_COLUMN = 400;
const AMOUNT_WIDTH = 140;
const PAGE_BOTTOM = 760;
const LINE_GAP = 3;

type Row = readonly [label: string, amount: string, style?: 'total'];

type DocumentSources = Pick<BillingContext, 'database' | 'settings'>;

interface BillTo {
  readonly accountName: string;
  readonly companyName: string | null;
  readonly taxId: string | null;
  readonly billingAddress: string | null;
}

/** The receipt of a paid top-up as a PDF; `undefined`: there is none. */
export async function receiptPdf(
  { database, settings }: DocumentSources,
  topUpId: string,
): Promise<Buffer | undefined> {
  const [row] = await database
    .select({ topUp: topUps, accountName: accounts.name, profile: billingProfiles })
    .from(topUps)
    .innerJoin(accounts, eq(accounts.id, topUps.accountId))
    .leftJoin(billingProfiles, eq(billingProfiles.accountId, topUps.accountId))
    .where(eq(topUps.id, topUpId));
  if (row?.topUp.creditedAt == null || row.topUp.receiptNumber === null) return undefined;
  const { topUp } = row;
  const to = billTo(row.accountName, row.profile);
  return await render(settings, { title: 'Receipt', number: row.topUp.receiptNumber, to }, [
    ['Paid on', `${row.topUp.creditedAt.toISOString().slice(0, 10)} (UTC)`],
    ['Paid with', topUp.paymentMethodLabel ?? ''],
    ['', ''],
    ['CrossModel credit', `USD ${usdOfCents(topUp.creditCents)}`],
    ['Service fee', `USD ${usdOfCents(topUp.feeCents)}`],
    ['Total paid', `USD ${usdOfCents(topUp.creditCents + topUp.feeCents)}`, 'total'],
    ...(topUp.refundedCents > 0 ? [['Refunded', `USD ${usdOfCents(topUp.refundedCents)}`] as const] : []),
  ]);
}

/** A monthly statement as a PDF; `undefined`: there is none. */
export async function statementPdf(
  { database, settings }: DocumentSources,
  statementId: string,
): Promise<Buffer | undefined> {
  const [row] = await database
    .select({ statement: statements, accountName: accounts.name, profile: billingProfiles })
    .from(statements)
    .innerJoin(accounts, eq(accounts.id, statements.accountId))
    .leftJoin(billingProfiles, eq(billingProfiles.accountId, statements.accountId))
    .where(eq(statements.id, statementId));
  if (row === undefined) return undefined;
  const { statement } = row;
  const to = billTo(row.accountName, row.profile);
  return await render(settings, { title: `Statement for ${statement.month}`, number: statement.number, to }, [
    ['Opening balance', `USD ${formatUsd(statement.openingNano)}`],
    ['Top-ups', `USD ${formatUsd(statement.toppedUpNano)}`],
    ['Usage', `USD ${formatUsd(statement.usageNano)}`],
    ['Other movements', `USD ${formatUsd(statement.otherNano)}`],
    ['Closing balance', `USD ${formatUsd(statement.closingNano)}`, 'total'],
    ['', ''],
    ['Usage by model, by the time of the request', ''],
    ...statement.usageByModel.map(
      ({ model, requests, costNano }) =>
        [`${model} (${requests} requests)`, `USD ${formatUsd(BigInt(costNano))}`] as const,
    ),
  ]);
}

function billTo(accountName: string, profile: typeof billingProfiles.$inferSelect | null): BillTo {
  return {
    accountName,
    companyName: profile?.companyName ?? null,
    taxId: profile?.taxId ?? null,
    billingAddress: profile?.billingAddress ?? null,
  };
}

async function render(
  { seller, receiptFont }: BillingSettings,
  heading: { readonly title: string; readonly number: string; readonly to: BillTo },
  rows: readonly Row[],
): Promise<Buffer> {
  const { title, number, to } = heading;
  const document = new PDFDocument({
    size: 'A4',
    margin: PAGE_MARGIN,
    info: { Title: `${title} ${number}`, Author: seller[0] ?? '' },
  });
  const chunks: Buffer[] = [];
  document.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise((resolve) => document.once('end', resolve));
  const write = (text: string) => (receiptFont === null ? latin(text) : text.normalize('NFC'));
  const plain = receiptFont ?? 'Helvetica';
  const bold = receiptFont ?? 'Helvetica-Bold';
  document.font(plain).fontSize(TEXT_SIZE);
  for (const line of seller) document.text(write(line), { align: 'right' });
  document.font(bold).fontSize(TITLE_SIZE).text(title);
  document.font(plain).fontSize(TEXT_SIZE).text(`No. ${number}`).moveDown(2);
  document.font(bold).text('For').font(plain);
  for (const line of billToLines(to)) document.text(write(line));
  document.moveDown(2);
  for (const [label, amount, style] of rows) {
    if (document.y > PAGE_BOTTOM) document.addPage();
    const { y } = document;
    document.font(style === 'total' ? bold : plain);
    if (style === 'total')
      document
        .moveTo(PAGE_MARGIN, y - LINE_GAP)
        .lineTo(AMOUNT_COLUMN + AMOUNT_WIDTH, y - LINE_GAP)
        .lineWidth(0.5)
        .stroke();
    document.text(write(label), PAGE_MARGIN, y, { width: AMOUNT_COLUMN - PAGE_MARGIN - 8 });
    const after = document.y;
    document.text(amount, AMOUNT_COLUMN, y, { width: AMOUNT_WIDTH, align: 'right' });
    document.y = Math.max(after, document.y) + LINE_GAP;
  }
  document.end();
  await ended;
  return Buffer.concat(chunks);
}

function billToLines({ accountName, companyName, billingAddress, taxId }: BillTo): readonly string[] {
  return [
    ...(companyName === null ? [] : [companyName]),
    accountName,
    ...(billingAddress === null ? [] : billingAddress.split('\n')),
    ...(taxId === null ? [] : [`Tax number: ${taxId}`]),
  ];
}

/** The fonts that every PDF reader has know Latin letters only. */
function latin(text: string): string {
  return text.normalize('NFC').replaceAll(/[^\x20-\x7e\u00a0-\u00ff…–—‘’“”•€]/g, '?');
}
