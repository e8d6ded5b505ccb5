import { and, eq, gt, isNull, or, sql } from 'drizzle-orm';
import type { Database, Transaction } from '#db/client.ts';
import { accessTokens, accounts } from '#db/schema/accounts.ts';
import { apiKeys } from '#db/schema/api-keys.ts';
import { digestApiKey } from '#shared/api-key.ts';
import { digestAccessToken, mintAccessToken } from '../accounts/access-token.ts';
import { createAccount } from '../accounts/create-account.ts';
import { createManagementToken } from '../accounts/create-management-token.ts';
import { ensureOperatorToken } from '../accounts/ensure-operator-token.ts';
import { ALL_PERMISSIONS } from '../accounts/permissions.ts';
import { issueKey } from '../keys/issue-key.ts';
import { grantCredit } from '../ledger/grant-credit.ts';
import type { Outcome } from '../user-error.ts';

const DEMO_EXTERNAL_ID = 'crossmodel:demo';
const DEMO_CREDIT_USD = '25.00';
/** Generous, so that trying the gateway out never meets its own limits. */
const DEMO_RPM_LIMIT = 600;
const DEMO_TPM_LIMIT = 1_000_000;
const DEMO_LOCK = 7_206_103;
const OPERATOR_TOKEN_NAME = 'development';

export interface DemoSecrets {
  readonly apiKey: string;
  readonly managementToken: string;
  readonly operatorToken: string;
}

/**
 * Development only: an account "Demo" with credit, a key, a management token, and an operator token. Secrets of an earlier
 * start that still work are kept, others are made anew. Idempotent.
 */
export async function ensureDemo(
  database: Database,
  known: Partial<DemoSecrets>,
): Promise<DemoSecrets & { accountId: string }> {
  return await database.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(${DEMO_LOCK})`);
    const accountId = await ensureDemoAccount(tx);
    return {
      accountId,
      apiKey: (await workingKey(tx, accountId, known.apiKey)) ?? (await issueDemoKey(tx, accountId)),
      managementToken:
        (await workingManagementToken(tx, accountId, known.managementToken)) ??
        orBug(
          await createManagementToken(tx, 'everywhere', {
            accountId,
            name: 'Demo',
            scopes: null,
            grantable: ALL_PERMISSIONS,
            allowedAddresses: null,
            expiresAt: null,
          }),
        ).secret,
      operatorToken: await ensureDemoOperatorToken(tx, known.operatorToken),
    };
  });
}

async function ensureDemoAccount(tx: Transaction): Promise<string> {
  const [existing] = await tx
    .select({ id: accounts.id })
    .from(accounts)
    .where(eq(accounts.externalId, DEMO_EXTERNAL_ID));
  const accountId =
    existing?.id ?? orBug(await createAccount(tx, { name: 'Demo', externalId: DEMO_EXTERNAL_ID })).accountId;
  if (!existing)
    orBug(
      await grantCredit(tx, {
        promotional: false,
        expiresAt: null,
        accountId,
        amountUsd: DEMO_CREDIT_USD,
        reason: 'Demo credit',
        idempotencyKey: `demo-credit:${accountId}`,
      }),
    );
  return accountId;
}

async function workingKey(
  tx: Transaction,
  accountId: string,
  secret: string | undefined,
): Promise<string | undefined> {
  if (secret === undefined) return undefined;
  const [key] = await tx
    .select({ id: apiKeys.id })
    .from(apiKeys)
    .where(
      and(
        eq(apiKeys.digest, digestApiKey(secret)),
        eq(apiKeys.accountId, accountId),
        eq(apiKeys.status, 'active'),
      ),
    );
  return key && secret;
}

async function issueDemoKey(tx: Transaction, accountId: string): Promise<string> {
  const issued = await issueKey(tx, 'everywhere', {
    accountId,
    name: 'Demo key',
    rpmLimit: DEMO_RPM_LIMIT,
    tpmLimit: DEMO_TPM_LIMIT,
    expiresAt: null,
  });
  return orBug(issued).secret;
}

async function workingManagementToken(
  tx: Transaction,
  accountId: string,
  secret: string | undefined,
): Promise<string | undefined> {
  if (secret === undefined) return undefined;
  const [token] = await tx
    .select({ id: accessTokens.id })
    .from(accessTokens)
    .where(
      and(
        eq(accessTokens.digest, digestAccessToken(secret)),
        eq(accessTokens.accountId, accountId),
        isNull(accessTokens.revokedAt),
        or(isNull(accessTokens.expiresAt), gt(accessTokens.expiresAt, sql`now()`)),
      ),
    );
  return token && secret;
}

/** The token in the file is the token: also after the database was replaced it keeps working. */
async function ensureDemoOperatorToken(tx: Transaction, known: string | undefined): Promise<string> {
  const secret = known ?? mintAccessToken('operator').secret;
  await ensureOperatorToken(tx, { name: OPERATOR_TOKEN_NAME, secret });
  return secret;
}

/** The demo's own input is right by construction, so a refusal is a bug. */
function orBug<Value>(outcome: Outcome<Value>): Value {
  if (outcome.ok) return outcome.value;
  throw new Error(`The demo could not be set up: ${outcome.errors.map((error) => error.message).join(' ')}`);
}
