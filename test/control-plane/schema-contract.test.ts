import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { minifyIntrospection, outputIntrospectionFile } from '@gql.tada/internal';
import { buildSchema, introspectionFromSchema, isEnumType, isInputObjectType, isObjectType } from 'graphql';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);
const SCHEMA_FILE = 'control-plane/graphql/schema.graphql';
/** The contract as clients were last given it. Moved by hand, when a release says what it breaks. */
const RELEASED_FILE = 'control-plane/graphql/schema.released.graphql';

const readSchema = async (file: string) => buildSchema(await readFile(file, 'utf8'));

async function breakingChanges(before: string, after: string): Promise<unknown> {
  const { stdout } = await run(process.execPath, [
    'test/control-plane/breaking-changes-main.ts',
    before,
    after,
  ]);
  return JSON.parse(stdout);
}

describe('the contract of the API', () => {
  it('breaks nothing that clients were given', async () => {
    expect(await breakingChanges(RELEASED_FILE, SCHEMA_FILE)).toEqual([]);
  });

  it('would see a break', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'broken-contract-'));
    const released = await readFile(RELEASED_FILE, 'utf8');
    const file = path.join(folder, 'schema.graphql');
    await writeFile(file, released.replace('  viewer: Viewer!', '  viewer: Viewer'));
    expect(await breakingChanges(RELEASED_FILE, file)).toHaveLength(1);
    await rm(folder, { recursive: true });
  });

  it('gives a typed client that compiles, and refuses a field that there is not', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'typed-client-'));
    const introspection = minifyIntrospection(introspectionFromSchema(await readSchema(SCHEMA_FILE)));
    await symlink(path.resolve('node_modules'), path.join(folder, 'node_modules'));
    await writeFile(
      path.join(folder, 'graphql-env.d.ts'),
      outputIntrospectionFile(introspection, { fileType: '.d.ts', shouldPreprocess: true }),
    );
    await writeFile(path.join(folder, 'package.json'), '{"type":"module"}');
    await writeFile(
      path.join(folder, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          module: 'nodenext',
          target: 'es2024',
          strict: true,
          noEmit: true,
          skipLibCheck: true,
          types: [],
        },
        include: ['*.ts'],
      }),
    );
    const client = (field: string) => `
      import { initGraphQLTada, type ResultOf, type VariablesOf } from 'gql.tada';
      import type { introspection } from './graphql-env.d.ts';
      const graphql = initGraphQLTada<{
        introspection: introspection;
        scalars: { DateTime: string; NanoUSD: string; Metadata: Record<string, string> };
      }>();
      const create = graphql(\`
        mutation Create($input: ApiKeyCreateInput!) {
          apiKeyCreate(input: $input) { apiKey { id ${field} aliases { nodes { alias model { id } } } } secret userErrors { code } }
        }\`);
      export const input: VariablesOf<typeof create> = { input: { accountId: 'acct_1', name: 'Key', metadata: { a: 'b' } } };
      export const read = (result: ResultOf<typeof create>): string | undefined =>
        result.apiKeyCreate.apiKey?.aliases.nodes[0]?.alias ?? result.apiKeyCreate.apiKey?.${field};
    `;
    const compile = async (field: string) => {
      await writeFile(path.join(folder, 'client.ts'), client(field));
      return await run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', folder]).then(
        () => 'compiles',
        (error: { stdout: string }) => error.stdout,
      );
    };
    expect(await compile('name')).toBe('compiles');
    expect(await compile('nonsense')).toContain('error TS');
    await rm(folder, { recursive: true });
  }, 120_000);
});

describe('the style of the schema', () => {
  it('names types, fields, arguments and values as everybody does', async () => {
    const schema = await readSchema(SCHEMA_FILE);
    const odd: string[] = [];
    const expectName = (where: string, name: string, pattern: RegExp) => {
      if (!pattern.test(name)) odd.push(`${where}${name}`);
    };
    const CAMEL = /^[a-z][A-Za-z0-9]*$/;
    for (const type of Object.values(schema.getTypeMap())) {
      if (type.name.startsWith('__')) continue;
      expectName('', type.name, /^[A-Z][A-Za-z0-9]*$/);
      if (isInputObjectType(type)) expectName('input ', type.name, /Input$/);
      if (isEnumType(type))
        for (const value of type.getValues()) expectName(`${type.name}.`, value.name, /^[A-Z][A-Z0-9_]*$/);
      if (!isObjectType(type) && !isInputObjectType(type)) continue;
      for (const field of Object.values(type.getFields())) {
        expectName(`${type.name}.`, field.name, CAMEL);
        expectName(`${type.name}.`, field.name, /^(?!(get|list|fetch)[A-Z])/);
        for (const argument of 'args' in field ? field.args : [])
          expectName(`${type.name}.${field.name}.`, argument.name, CAMEL);
      }
    }
    expect(odd).toEqual([]);
  });

  it('builds lists that can grow as Relay connections, and ids as ids', async () => {
    const schema = await readSchema(SCHEMA_FILE);
    const odd: string[] = [];
    for (const type of Object.values(schema.getTypeMap())) {
      if (!isObjectType(type) || type.name.startsWith('__')) continue;
      const fields = type.getFields();
      if (type.name.endsWith('Connection'))
        if (!fields.edges || !fields.pageInfo || !fields.nodes) odd.push(type.name);
      for (const field of Object.values(fields)) {
        const named = field.type.toString();
        if (/Connection!?$/.test(named) && !field.args.some((argument) => argument.name === 'first'))
          odd.push(`${type.name}.${field.name} has no page size`);
        if (/^(id|.*Id)$/.test(field.name) && field.name !== 'externalId' && !named.startsWith('ID'))
          odd.push(`${type.name}.${field.name}: ${named}`);
        if (field.name.endsWith('At') && !named.startsWith('DateTime'))
          odd.push(`${type.name}.${field.name}: ${named}`);
        if (/(Usd|Nano)$/.test(field.name) && /Int|Float/.test(named))
          odd.push(`${type.name}.${field.name}: ${named}`);
      }
    }
    expect(odd).toEqual([]);
  });

  it('describes in whole sentences', async () => {
    const schema = await readSchema(SCHEMA_FILE);
    const odd: string[] = [];
    for (const type of Object.values(schema.getTypeMap())) {
      if (type.name.startsWith('__') || ['ID', 'String', 'Int', 'Float', 'Boolean'].includes(type.name))
        continue;
      if (!/\.$/.test(type.description ?? '')) odd.push(type.name);
      if (isObjectType(type) || isInputObjectType(type))
        for (const field of Object.values(type.getFields()))
          if (!/[.`)]$/.test(field.description ?? '')) odd.push(`${type.name}.${field.name}`);
    }
    expect(odd).toEqual([]);
  });
});
