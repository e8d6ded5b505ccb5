import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { GraphQLField, GraphQLInputType, GraphQLObjectType } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ALL_PERMISSIONS, ROLES } from '#control-plane/accounts/permissions.ts';
import { permissionName } from '#control-plane/graphql/permission.ts';
import { permissionsAsMarkdown } from '#control-plane/graphql/permission-document.ts';
import { schema } from '#control-plane/graphql/schema.ts';
import { formatId } from '#shared/identifiers.ts';
import { type Answer, startTestApi, type TestApi } from './api-fixture.ts';
import { type Browser, signUp } from './sign-in-client.ts';

const DOCUMENT = 'control-plane/docs/permissions.md';
/** One less than a request may have. */
const ALIASES_PER_REQUEST = 14;

let api: TestApi;
let accountId: string;
/** The documented table: `Type.field` → column → cell. */
const documented = new Map<string, Readonly<Record<string, string>>>();
/** Who asks: column of the table, or the scopes of a token; and how. */
const callers = new Map<string, { scopes?: readonly string[]; ask: (document: string) => Promise<Answer> }>();
/** An object of each type that has an id. */
const samples = new Map<string, string>();

beforeAll(async () => {
  api = await startTestApi();
  for (const line of (await readFile(DOCUMENT, 'utf8')).split('\n')) {
    const [, field, rest] = /^\| `(\w+\.\w+)` \|(.*)\|$/.exec(line) ?? [];
    if (field === undefined || rest === undefined) continue;
    const cells = rest.split('|');
    const columns = [...ROLES, 'scope', 'operator'];
    documented.set(
      field,
      Object.fromEntries(
        columns.map((column, index) => [column, cells[index]?.trim().replaceAll('`', '') ?? '']),
      ),
    );
  }
  await prepareCallers();
  await prepareSamples();
}, 60_000);
afterAll(() => api.close());

async function prepareCallers(): Promise<void> {
  const { browser: owner } = await signUp(api);
  accountId = (await owner.mutate('accountCreate', { name: 'Mine' }, 'account { id }')).account.id;
  callers.set('owner', { ask: (document) => owner.query(document) });
  for (const role of ROLES.filter((each) => each !== 'owner')) {
    const { browser, email } = await signUp(api);
    await owner.mutate('memberInvite', { accountId, email, role: role.toUpperCase() }, '');
    const token = /cmi_\w+/.exec(api.mails.findLast((mail) => mail.to === email)?.text ?? '')?.[0];
    await browser.mutate('invitationAccept', { token }, '');
    callers.set(role, { ask: (document) => browser.query(document) });
  }
  const withToken = (token: string | null) => (document: string) => api.call(document, { token });
  callers.set('anonymous', { ask: withToken(null) });
  callers.set('operator', { ask: withToken(api.operatorToken) });
  const tokenWith = async (scopes: readonly string[]) =>
    (await api.mutate('managementTokenCreate', { accountId, name: 'automation', scopes }, 'secret')).secret;
  const all = ALL_PERMISSIONS.map(permissionName);
  callers.set('token with every scope', { scopes: all, ask: withToken(await tokenWith(all)) });
  for (const scope of all)
    callers.set(`token with ${scope}`, { scopes: [scope], ask: withToken(await tokenWith([scope])) });
}

async function prepareSamples(): Promise<void> {
  const owner = callers.get('owner');
  const { apiKey } = await api.mutate('apiKeyCreate', { accountId, name: 'Key' }, 'apiKey { id }');
  const alias = { apiKeyId: apiKey.id, alias: 'fast', kind: 'EXACT', model: 'openai/gpt-5-mini' };
  const { modelAlias } = await api.mutate('modelAliasSet', alias, 'modelAlias { id }');
  const grant = { accountId, amountUsd: '1', reason: 'Test', idempotencyKey: randomUUID() };
  const { creditGrant } = await api.mutate('creditGrant', grant, 'creditGrant { id }');
  const guest = { accountId, email: 'guest@example.com', role: 'VIEWER' };
  const { invitation } = await api.mutate('memberInvite', guest, 'invitation { id }');
  const upstream = {
    name: 'Own',
    vendor: 'openai',
    protocol: 'CHAT',
    baseUrl: 'https://a.example/v1',
    routes: [{ model: 'openai/gpt-5-mini' }],
  };
  const made = await api.mutate('upstreamCreate', upstream, 'upstream { id routes { nodes { id } } }');
  const [record] = await api.sql<{ id: string }[]>`
    insert into usage_records (request_id, account_id, api_key_id, occurred_at, spool_id, dialect, sandbox, stream,
      status, http_status, input_tokens, output_tokens, reasoning_tokens, cache_read_tokens, cache_write_5m_tokens,
      cache_write_1h_tokens, estimated, cost_nano, latency_ms, request_count)
    values (uuidv7(), ${uuidIn(accountId)}, ${uuidIn(apiKey.id)}, now(), 'spool', 'chat', false, false,
      'success', 200, 1, 2, 0, 3, 4, 5, false, 6, 7, 1)
    returning replace(request_id::text, '-', '') as id`;
  const [topUp] = await api.sql<{ id: string }[]>`
    insert into top_ups (id, account_id, channel, credit_cents, fee_cents, status)
    values (uuidv7(), ${uuidIn(accountId)}, 'checkout', 100, 0, 'failed')
    returning replace(id::text, '-', '') as id`;
  const [statement] = await api.sql<{ id: string }[]>`
    insert into statements (id, account_id, month, number, opening_nano, topped_up_nano, usage_nano, other_nano,
      closing_nano, usage_by_model)
    values (uuidv7(), ${uuidIn(accountId)}, '2026-01', 'S-1', 0, 0, 0, 0, 0, '[]')
    returning replace(id::text, '-', '') as id`;
  const time = { accountId, from: '2026-01-01T00:00:00Z', to: '2026-02-01T00:00:00Z' };
  const { usageExport } = await api.mutate('usageExportCreate', time, 'usageExport { id }');
  const { ledgerExport } = await api.mutate('ledgerExportCreate', time, 'ledgerExport { id }');
  const hook = { accountId, url: 'https://receiver.example.com/' };
  const { webhookEndpoint } = await api.mutate('webhookEndpointCreate', hook, 'webhookEndpoint { id }');
  const { webhookDelivery } = await api.mutate(
    'webhookEndpointTest',
    { webhookEndpointId: webhookEndpoint.id },
    'webhookDelivery { id }',
  );
  const { data } = (await owner?.ask(`{ account(id: "${accountId}") {
      members { nodes { id } } managementTokens(first: 1) { nodes { id } } auditEntries(first: 1) { nodes { id } } }
    model(id: "openai/gpt-5-mini") { price { id } } }`)) ?? { data: undefined };
  for (const [type, id] of Object.entries({
    Account: accountId,
    ApiKey: apiKey.id,
    ModelAlias: modelAlias.id,
    LedgerEntry: creditGrant.id,
    UsageRecord: `req_cm_${record?.id}`,
    TopUp: formatId('TopUp', topUp?.id ?? ''),
    Statement: formatId('Statement', statement?.id ?? ''),
    UsageExport: usageExport.id,
    LedgerExport: ledgerExport.id,
    AccountInvitation: invitation.id,
    WebhookEndpoint: webhookEndpoint.id,
    WebhookDelivery: webhookDelivery.id,
    AccountMember: data.account.members.nodes[0].id,
    ManagementToken: data.account.managementTokens.nodes[0].id,
    AuditEntry: data.account.auditEntries.nodes[0].id,
    Model: 'openai/gpt-5-mini',
    Price: data.model.price.id,
    Upstream: made.upstream.id,
    Route: made.upstream.routes.nodes[0].id,
  }))
    samples.set(type, id);
}

const uuidIn = (publicId: string) =>
  publicId.replace(/^[a-z_]+_(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

/** What the document says about a caller and a field. */
function isOpen(field: string, caller: string): boolean {
  const row = documented.get(field);
  if (!row) throw new Error(`${field} is not in ${DOCUMENT}`);
  if (caller === 'anonymous') return false;
  const scopes = callers.get(caller)?.scopes;
  if (!scopes) return row[caller] === 'yes';
  return (
    row.scope === 'any' ||
    scopes.some((scope) => scope === row.scope || scope.replace(/WRITE$/, 'READ') === row.scope)
  );
}

/** Which of the aliased fields were refused by the guard. Anything that goes wrong behind it is another matter. */
function refusedIn({ errors, data }: Answer): Set<string> {
  const codes = new Set(['FORBIDDEN', 'UNAUTHENTICATED']);
  const refused = errors.filter((error) => codes.has(error.extensions?.code ?? ''));
  // A subscription says at once that there is no such account; that is behind the guard.
  const passed = errors.filter((error) => error.extensions?.code === 'NOT_FOUND');
  if (data === undefined && errors.length > refused.length + passed.length)
    throw new Error(JSON.stringify(errors));
  return new Set(refused.flatMap((error) => error.path?.[0]?.toString() ?? []));
}

/** Asks for each field by every caller, a few fields at a time, and returns where the answer is not the documented one. */
async function differences(
  fields: readonly { name: string; text: (alias: string) => string }[],
  wrap: (body: string) => string,
  /** Objects can be asked for together, and answer null to whom they are hidden; a refused root field ends its request. */
  kind: 'objects' | 'root',
): Promise<string[]> {
  const found: string[] = [];
  const atOnce = kind === 'objects' ? ALIASES_PER_REQUEST : 1;
  for (const [caller, { ask }] of callers)
    for (let first = 0; first < fields.length; first += atOnce) {
      const part = fields.slice(first, first + atOnce);
      const body = part.map(({ text }, index) => text(`f${index}`)).join(' ');
      const answer = await ask(wrap(body));
      const refused = refusedIn(answer);
      part.forEach(({ name }, index) => {
        const hidden = kind === 'objects' && answer.data?.[`f${index}`] === null;
        const open = !hidden && !refused.has(`f${index}`);
        if (open !== isOpen(name, caller)) found.push(`${name} for ${caller}: ${open ? 'open' : 'refused'}`);
      });
    }
  return found;
}

/** A selection of one leaf, so that nothing but the field itself can be refused. */
function selection(field: GraphQLField<unknown, unknown>): string {
  const type = schema.getType(field.type.toString().replaceAll(/[[\]!]/g, ''));
  return type && 'getFields' in type ? '{ __typename }' : '';
}

/** The smallest value of an input type: nothing that exists, and nothing optional. */
function sampleValue(type: GraphQLInputType, name: string): string {
  const text = type.toString();
  if (text.endsWith('!')) return sampleValue((type as { ofType: GraphQLInputType }).ofType, name);
  if (text.startsWith('[')) return `[${sampleValue((type as { ofType: GraphQLInputType }).ofType, name)}]`;
  const named = schema.getType(text.replaceAll(/[[\]!]/g, ''));
  if (named && 'getValues' in named) return named.getValues()[0]?.name ?? '';
  if (named && 'getFields' in named)
    return `{ ${Object.values(named.getFields())
      .filter((field) => field.type.toString().endsWith('!'))
      .map((field) => `${field.name}: ${sampleValue(field.type as GraphQLInputType, field.name)}`)
      .join(', ')} }`;
  if (text === 'Int') return '1';
  if (text === 'Boolean') return 'true';
  if (text === 'DateTime') return name === 'from' ? '"2026-01-01T00:00:00Z"' : '"2026-02-01T00:00:00Z"';
  return `"${name === 'role' ? 'VIEWER' : 'x'}"`;
}

function callOf(field: GraphQLField<unknown, unknown>): string {
  const given = field.args
    .filter((argument) => argument.type.toString().endsWith('!'))
    .map((argument) => `${argument.name}: ${sampleValue(argument.type, argument.name)}`);
  return `${field.name}${given.length > 0 ? `(${given.join(', ')})` : ''}`;
}

describe('the permission table', () => {
  it('is printed as it is in force (npm run schema:print writes it anew)', async () => {
    expect(permissionsAsMarkdown(schema)).toBe(await readFile(DOCUMENT, 'utf8'));
  });

  // Mutations last: who has opened an account by one may then do everything somewhere.
  it.each(['Query', 'Subscription', 'Mutation'])(
    'opens the fields of %s to whom it says and to nobody else',
    async (typeName) => {
      const type = schema.getType(typeName) as GraphQLObjectType;
      const fields = Object.values(type.getFields())
        // Last, because who has opened an account may then do everything somewhere.
        .toSorted(
          (left, right) => Number(left.name === 'accountCreate') - Number(right.name === 'accountCreate'),
        )
        .map((field) => ({
          name: `${typeName}.${field.name}`,
          text: (alias: string) => `${alias}: ${callOf(field)} ${selection(field)}`,
        }));
      const wrap = (body: string) => `${typeName.toLowerCase()} { ${body} }`;
      expect(await differences(fields, wrap, 'root')).toEqual([]);
    },
    60_000,
  );

  it('opens the fields of every object to whom it says and to nobody else', async () => {
    const found: string[] = [];
    for (const [typeName, id] of samples) {
      const type = schema.getType(typeName) as GraphQLObjectType;
      const fields = Object.values(type.getFields()).map((field) => ({
        name: `${typeName}.${field.name}`,
        text: (alias: string) =>
          `${alias}: node(id: "${id}") { ... on ${typeName} { ${callOf(field)} ${selection(field)} } }`,
      }));
      found.push(...(await differences(fields, (body) => `{ ${body} }`, 'objects')));
    }
    expect(found).toEqual([]);
  }, 120_000);

  it('is tried out on every type with an id that is not for operators alone', () => {
    const open = new Set(
      [...documented]
        .filter(([, row]) => row.scope !== 'no' || row.owner === 'yes')
        .map(([field]) => field.split('.')[0] ?? ''),
    );
    const withId = Object.values(schema.getTypeMap()).filter(
      (type) => 'getInterfaces' in type && type.getInterfaces().some((parent) => parent.name === 'Node'),
    );
    expect(withId.map((type) => type.name).filter((name) => open.has(name) && !samples.has(name))).toEqual(
      [],
    );
  });
});

describe('another tenant', () => {
  it('finds no object by id and changes none, whatever it may do in its own account', async () => {
    const other = await api.openAccount();
    const { browser: person } = await signUp(api);
    await person.mutate('accountCreate', { name: 'Theirs' }, '');
    const own = [...samples].filter(([type]) => !['Model', 'Price', 'Upstream', 'Route'].includes(type));
    const before = await snapshot();
    for (const ask of [
      (document: string) => api.call(document, { token: other.managementToken }),
      (document: string) => (person satisfies Browser).query(document),
    ]) {
      for (const [type, id] of own)
        expect([type, (await ask(`{ node(id: "${id}") { id } }`)).data.node]).toEqual([type, null]);
      for (const field of Object.values(schema.getMutationType()?.getFields() ?? {})) {
        const answer = await ask(`mutation { result: ${aimed(field)} { userErrors { code } } }`);
        const refused = refusedIn(answer).has('result') || answer.data?.result.userErrors.length > 0;
        const aims = aimed(field).includes(accountId) || own.some(([, id]) => aimed(field).includes(id));
        if (aims) expect([field.name, refused, answer.errors]).toEqual([field.name, true, answer.errors]);
      }
    }
    expect(await snapshot()).toEqual(before);
  }, 60_000);

  /** A call of a mutation with the ids of our objects wherever it takes an id. */
  function aimed(field: GraphQLField<unknown, unknown>): string {
    const ids: Record<string, string | undefined> = {
      accountId,
      partnerId: accountId,
      apiKeyId: samples.get('ApiKey'),
      apiKeyIds: samples.get('ApiKey'),
      managementTokenId: samples.get('ManagementToken'),
      invitationId: samples.get('AccountInvitation'),
      memberId: samples.get('AccountMember'),
      webhookEndpointId: samples.get('WebhookEndpoint'),
      webhookDeliveryId: samples.get('WebhookDelivery'),
    };
    let text = callOf(field);
    for (const [name, id] of Object.entries(ids))
      text = text.replaceAll(new RegExp(`\\b${name}: (\\[?)"x"`, 'g'), `${name}: $1"${id}"`);
    return text;
  }

  async function snapshot(): Promise<unknown> {
    const mine = uuidIn(accountId);
    return await api.sql`
      select (select jsonb_agg(to_jsonb(k) order by id) from api_keys k where account_id = ${mine}) as keys,
        (select jsonb_agg(to_jsonb(t) order by id) from access_tokens t where account_id = ${mine}) as tokens,
        (select jsonb_agg(to_jsonb(m) order by id) from account_members m where account_id = ${mine}) as members,
        (select jsonb_agg(to_jsonb(i) order by id) from account_invitations i where account_id = ${mine}) as invitations,
        (select to_jsonb(a) from accounts a where id = ${mine}) as account,
        (select count(*)::int from audit_entries where account_id = ${mine}) as changes`;
  }
});
