import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { lexicographicSortSchema, printSchema } from 'graphql';
import { permissionsAsMarkdown } from './permission-document.ts';
import { schema } from './schema.ts';

/** The committed contract of the API; a test fails while it differs from the code. `--stdout` only prints it. */
const SCHEMA_FILE = fileURLToPath(new URL('./schema.graphql', import.meta.url));
const PERMISSIONS_FILE = fileURLToPath(new URL('../docs/permissions.md', import.meta.url));

const printed = `${printSchema(lexicographicSortSchema(schema))}\n`;
if (process.argv.includes('--stdout')) {
  process.stdout.write(printed);
} else {
  writeFileSync(SCHEMA_FILE, printed);
  writeFileSync(PERMISSIONS_FILE, permissionsAsMarkdown(schema));
  process.stdout.write(
    'schema: written to control-plane/graphql/schema.graphql, permissions to control-plane/docs\n',
  );
}
