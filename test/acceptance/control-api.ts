import { randomUUID } from 'node:crypto';
import { z } from 'zod';

/**
 * The GraphQL API as a partner's back end would call it: only names that the public contract promises, every answer
 * checked. Anything unexpected (top-level errors, `userErrors`) is thrown.
 */
export interface ControlApi {
  query<Data>(document: string, variables: Record<string, unknown>, shape: z.ZodType<Data>): Promise<Data>;
  createAccount(name: string): Promise<string>;
  suspendAccount(accountId: string): Promise<void>;
  grantCredit(accountId: string, amountUsd: string): Promise<void>;
  createKey(accountId: string, limits?: KeyLimits): Promise<IssuedKey>;
  disableKey(apiKeyId: string): Promise<void>;
  enableKey(apiKeyId: string): Promise<void>;
  deleteKey(apiKeyId: string): Promise<void>;
  setAlias(apiKeyId: string, alias: string, kind: 'EXACT' | 'PREFIX', model: string): Promise<void>;
  deleteAlias(apiKeyId: string, alias: string): Promise<void>;
  availableUsd(accountId: string): Promise<string>;
  usageRecords(accountId: string): Promise<UsageRow[]>;
  /** `null` on a page that has no further one. */
  usagePage(accountId: string, after: string | null): Promise<{ rows: UsageRow[]; next: string | null }>;
}

export interface KeyLimits {
  readonly rpmLimit?: number;
  readonly tpmLimit?: number;
  readonly expiresAt?: string;
  readonly concurrencyLimit?: number;
  readonly budgetUsd?: string;
  readonly budgetPeriod?: 'NONE' | 'DAY' | 'WEEK' | 'MONTH';
}

export interface IssuedKey {
  readonly id: string;
  readonly secret: string;
}

const usageRow = z.object({
  requestId: z.string(),
  status: z.string(),
  model: z.string().nullable(),
  inputTokens: z.number(),
  outputTokens: z.number(),
  cacheReadTokens: z.number(),
  cacheWriteTokens: z.number(),
  estimated: z.boolean(),
  costUsd: z.string(),
});
export type UsageRow = z.infer<typeof usageRow>;

const PAGE_SIZE = 100;
const REQUEST_TIMEOUT_MS = 15_000;
const anything = z.unknown();
const answerShape = z.object({
  data: z.record(z.string(), z.unknown()).nullish(),
  errors: z.array(z.object({ message: z.string() })).optional(),
});
const userErrorsShape = z.object({
  userErrors: z.array(
    z.object({ code: z.string(), message: z.string(), path: z.array(z.string()).nullish() }),
  ),
});

export function controlApi(url: string, token: string): ControlApi {
  const call = async (
    document: string,
    variables: Record<string, unknown>,
  ): Promise<Record<string, unknown>> => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query: document, variables }),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    const answer = answerShape.parse(await response.json());
    if (answer.errors !== undefined || !answer.data)
      throw new Error(
        `GraphQL: ${answer.errors?.map((error) => error.message).join('; ') ?? response.status}`,
      );
    return answer.data;
  };
  const mutate = async <Payload>(
    name: string,
    inputType: string,
    selection: string,
    input: Record<string, unknown>,
    shape: z.ZodType<Payload>,
  ): Promise<Payload> => {
    const document = `mutation ($input: ${inputType}!) { ${name}(input: $input) { ${selection} userErrors { code message path } } }`;
    const payload = (await call(document, { input }))[name];
    const { userErrors } = userErrorsShape.parse(payload);
    if (userErrors.length > 0) throw new Error(`${name}: ${JSON.stringify(userErrors)}`);
    return shape.parse(payload);
  };
  const onKey = (name: string, inputType: string) => async (apiKeyId: string) => {
    await mutate(name, inputType, '', { apiKeyId }, anything);
  };
  const usagePage: ControlApi['usagePage'] = async (accountId, after) => {
    const document = `query ($id: ID!, $first: Int!, $after: String) { account(id: $id) { usageRecords(first: $first, after: $after) {
      pageInfo { hasNextPage endCursor }
      edges { node { requestId status model inputTokens outputTokens cacheReadTokens cacheWriteTokens estimated costUsd } } } } }`;
    const shape = z.object({
      account: z.object({
        usageRecords: z.object({
          pageInfo: z.object({ hasNextPage: z.boolean(), endCursor: z.string().nullable() }),
          edges: z.array(z.object({ node: usageRow })),
        }),
      }),
    });
    const { usageRecords } = shape.parse(
      await call(document, { id: accountId, first: PAGE_SIZE, after }),
    ).account;
    const { hasNextPage, endCursor } = usageRecords.pageInfo;
    return { rows: usageRecords.edges.map((edge) => edge.node), next: hasNextPage ? endCursor : null };
  };
  return {
    query: async (document, variables, shape) => shape.parse(await call(document, variables)),
    createAccount: async (name) => {
      const shape = z.object({ account: z.object({ id: z.string() }) });
      const input = { name, externalId: randomUUID(), idempotencyKey: randomUUID() };
      return (await mutate('accountCreate', 'AccountCreateInput', 'account { id }', input, shape)).account.id;
    },
    suspendAccount: async (accountId) => {
      await mutate('accountSuspend', 'AccountSuspendInput', '', { accountId }, anything);
    },
    grantCredit: async (accountId, amountUsd) => {
      const input = { accountId, amountUsd, reason: 'Acceptance test', idempotencyKey: randomUUID() };
      await mutate('creditGrant', 'CreditGrantInput', '', input, anything);
    },
    createKey: async (accountId, limits = {}) => {
      const shape = z.object({ apiKey: z.object({ id: z.string() }), secret: z.string() });
      const input = { accountId, name: 'Acceptance', idempotencyKey: randomUUID(), ...limits };
      const { apiKey, secret } = await mutate(
        'apiKeyCreate',
        'ApiKeyCreateInput',
        'apiKey { id status last4 } secret',
        input,
        shape,
      );
      return { id: apiKey.id, secret };
    },
    disableKey: onKey('apiKeyDisable', 'ApiKeyDisableInput'),
    enableKey: onKey('apiKeyEnable', 'ApiKeyEnableInput'),
    deleteKey: onKey('apiKeyDelete', 'ApiKeyDeleteInput'),
    setAlias: async (apiKeyId, alias, kind, model) => {
      await mutate('modelAliasSet', 'ModelAliasSetInput', '', { apiKeyId, alias, kind, model }, anything);
    },
    deleteAlias: async (apiKeyId, alias) => {
      await mutate('modelAliasDelete', 'ModelAliasDeleteInput', '', { apiKeyId, alias }, anything);
    },
    availableUsd: async (accountId) => {
      const shape = z.object({ account: z.object({ balance: z.object({ availableUsd: z.string() }) }) });
      const document = 'query ($id: ID!) { account(id: $id) { balance { availableUsd heldUsd } } }';
      return shape.parse(await call(document, { id: accountId })).account.balance.availableUsd;
    },
    usageRecords: async (accountId) => {
      const rows: UsageRow[] = [];
      let after: string | null = null;
      do {
        const page = await usagePage(accountId, after);
        rows.push(...page.rows);
        after = page.next;
      } while (after !== null);
      return rows;
    },
    usagePage,
  };
}

/** `"0.000123456"` → 123456n; exact. Throws when the text is no decimal with at most nine places. */
export function nanoUsd(text: string): bigint {
  const [, sign, whole, fraction = ''] = /^(-?)(\d+)(?:\.(\d{1,9}))?$/.exec(text) ?? [];
  if (whole === undefined) throw new Error(`"${text}" is no amount of USD`);
  const nano = BigInt(whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'));
  return sign === '-' ? -nano : nano;
}
