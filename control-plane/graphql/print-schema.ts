import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { lexicographicSortSchema, printSchema } from 'graphql';
import { schema } from './schema.ts';

/** The committed contract of the API; a test fails while it differs from the code. `--stdout` only prints it. */
const SCHEMA_FILE = fileURLToPath(new URL('./schema.graphql', import.meta.url));

const printed = `${printSchema(lexicographicSortSchema(schema))}\n`;
if (process.argv.includes('--stdout')) {
  process.stdout.write(printed);
} else {
  writeFileSync(SCHEMA_FILE, printed);
  process.stdout.write('schema: written to control-plane/graphql/schema.graphql\n');
}
