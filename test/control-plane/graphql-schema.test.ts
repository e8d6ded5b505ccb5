import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { GraphQLNamedType } from 'graphql';
import { describe, expect, it } from 'vitest';
import { schema } from '#control-plane/graphql/schema.ts';

const types = Object.values(schema.getTypeMap()).filter((type) => !type.name.startsWith('__'));

interface Described {
  readonly name: string;
  readonly description?: string | null | undefined;
  readonly args?: readonly Described[];
}

function membersOf(type: GraphQLNamedType): Described[] {
  if ('getFields' in type) return Object.values(type.getFields());
  if ('getValues' in type) return [...type.getValues()];
  return [];
}

describe('the GraphQL schema', () => {
  it('is the committed contract (npm run schema:print writes it anew)', async () => {
    // Printed by a process of its own: inside the test runner the schema belongs to another copy of graphql than its printer.
    const { stdout } = await promisify(execFile)(process.execPath, [
      'control-plane/graphql/print-schema.ts',
      '--stdout',
    ]);
    expect(stdout).toBe(await readFile('control-plane/graphql/schema.graphql', 'utf8'));
  });

  it('describes every type, field, argument and value', () => {
    const silent: string[] = [];
    const builtIn = new Set(['ID', 'String', 'Int', 'Float', 'Boolean']);
    for (const type of types) {
      if (builtIn.has(type.name)) continue;
      if (!type.description) silent.push(type.name);
      for (const member of membersOf(type)) {
        if (!member.description) silent.push(`${type.name}.${member.name}`);
        for (const argument of member.args ?? [])
          if (!argument.description) silent.push(`${type.name}.${member.name}(${argument.name})`);
      }
    }
    expect(silent).toEqual([]);
  });

  it('gives every mutation one input and a payload with user errors', () => {
    for (const field of Object.values(schema.getMutationType()?.getFields() ?? {})) {
      expect(field.args.map((argument) => `${argument.name}: ${argument.type}`)).toEqual([
        `input: ${field.name.charAt(0).toUpperCase()}${field.name.slice(1)}Input!`,
      ]);
      const payload = schema.getType(field.type.toString().replaceAll('!', ''));
      const members = payload ? membersOf(payload).map((member) => member.name) : [];
      expect([field.name, members]).toEqual([field.name, expect.arrayContaining(['userErrors'])]);
    }
  });

  it('keeps the names that outside checks rely on', () => {
    const fieldsOf = (name: string) => {
      const type = schema.getType(name);
      return type ? membersOf(type).map((member) => member.name) : [];
    };
    const promised: Record<string, string[]> = {
      Query: [
        'node',
        'nodes',
        'viewer',
        'account',
        'accounts',
        'models',
        'model',
        'apiKeys',
        'ledgerEntries',
        'usageRecords',
        'upstreams',
      ],
      Mutation: [
        'accountCreate',
        'creditGrant',
        'apiKeyCreate',
        'apiKeyDisable',
        'apiKeyEnable',
        'apiKeyDelete',
        'modelAliasSet',
        'modelAliasDelete',
        'priceSet',
        'upstreamCreate',
        'managementTokenCreate',
      ],
      AccountCreateInput: ['name', 'externalId', 'idempotencyKey'],
      CreditGrantInput: ['accountId', 'amountUsd', 'reason', 'idempotencyKey'],
      ApiKeyCreateInput: ['accountId', 'name', 'rpmLimit', 'tpmLimit', 'expiresAt', 'idempotencyKey'],
      ApiKeyCreatePayload: ['apiKey', 'secret', 'userErrors'],
      ApiKeyDeleteInput: ['apiKeyId'],
      ApiKey: ['id', 'status', 'last4'],
      ModelAliasSetInput: ['apiKeyId', 'alias', 'kind', 'model'],
      ModelAliasDeleteInput: ['apiKeyId', 'alias'],
      ModelAliasKind: ['EXACT', 'PREFIX'],
      Account: ['balance', 'apiKeys', 'ledgerEntries', 'usageRecords'],
      AccountBalance: ['availableUsd', 'heldUsd'],
      UsageRecord: [
        'requestId',
        'status',
        'model',
        'inputTokens',
        'outputTokens',
        'cacheReadTokens',
        'cacheWriteTokens',
        'estimated',
        'costUsd',
      ],
      UserError: ['code', 'message', 'path'],
    };
    for (const [type, names] of Object.entries(promised))
      expect([type, fieldsOf(type)]).toEqual([type, expect.arrayContaining(names)]);
  });
});
