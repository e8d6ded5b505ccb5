import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { lossTablePage } from './loss-table-page.ts';

/** The published page; a test fails while it differs from the code. */
const PAGE_FILE = fileURLToPath(new URL('../docs/loss-table.md', import.meta.url));

writeFileSync(PAGE_FILE, lossTablePage());
process.stdout.write('loss table: written to data-plane/docs/loss-table.md\n');
