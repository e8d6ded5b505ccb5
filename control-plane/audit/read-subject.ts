import { type SQL, sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';

/** What the audit log shows before and after a change, by kind of object. */
export type SubjectKind =
  | 'Account'
  | 'ApiKey'
  | 'ManagementToken'
  | 'AccountMember'
  | 'AccountInvitation'
  | 'WebhookEndpoint'
  | 'WebhookDelivery'
  | 'Model'
  | 'Price'
  | 'Upstream';

export interface SubjectState {
  /** The columns of the row and what belongs to it, without anything secret. */
  readonly state: Readonly<Record<string, unknown>>;
  /** Whose it is; null for things of the installation. */
  readonly accountId: string | null;
}

/** Columns that never leave their table: digests of secrets, sealed credentials. */
const SECRET_COLUMNS = sql`array['digest', 'previous_digest', 'sealed_credential', 'sealed_secret',
  'sealed_previous_secret', 'id', 'account_id']`;

/** From whom a kind is read. `row` names the row; `extra` is what is shown beside its columns. */
const SOURCES: Readonly<Record<SubjectKind, { from: SQL; id: SQL; accountId: SQL; extra: SQL }>> = {
  Account: {
    from: sql`accounts as row`,
    id: sql`row.id::text`,
    accountId: sql`row.id`,
    extra: sql`jsonb_build_object('balance_nano', (
      select coalesce(sum(balance_nano), 0)::text from ledger_balances
      join ledger_accounts on ledger_accounts.id = ledger_account_id
      where ledger_accounts.account_id = row.id),
      'low_balance_nano', (select low_balance_nano::text from account_alerts where account_alerts.account_id = row.id))`,
  },
  ApiKey: {
    from: sql`api_keys as row`,
    id: sql`row.id::text`,
    accountId: sql`row.account_id`,
    extra: sql`jsonb_build_object('aliases', (
      select coalesce(jsonb_agg(jsonb_build_object('alias', alias, 'kind', kind, 'model', model_id) order by alias), '[]')
      from model_aliases where api_key_id = row.id))`,
  },
  ManagementToken: plain(sql`access_tokens as row`),
  AccountMember: plain(sql`account_members as row`),
  AccountInvitation: plain(sql`account_invitations as row`),
  WebhookEndpoint: plain(sql`webhook_endpoints as row`),
  WebhookDelivery: plain(sql`webhook_deliveries as row`),
  Model: { from: sql`models as row`, id: sql`row.id`, accountId: sql`null::uuid`, extra: sql`'{}'::jsonb` },
  Price: {
    from: sql`price_versions as row`,
    id: sql`row.id::text`,
    accountId: sql`null::uuid`,
    extra: sql`'{}'::jsonb`,
  },
  Upstream: {
    from: sql`upstreams as row`,
    id: sql`row.id::text`,
    accountId: sql`null::uuid`,
    extra: sql`jsonb_build_object('has_credential', row.sealed_credential is not null, 'routes', (
      select coalesce(jsonb_agg(jsonb_build_object('model', model_id, 'provider_model', provider_model,
        'weight', weight, 'priority', priority) order by model_id), '[]')
      from routes where upstream_id = row.id))`,
  },
};

function plain(from: SQL) {
  return { from, id: sql`row.id::text`, accountId: sql`row.account_id`, extra: sql`'{}'::jsonb` };
}

/** The state of an object as the transaction sees it now; `undefined` when it does not exist. */
export async function readSubject(
  tx: Transaction,
  kind: SubjectKind,
  id: string,
): Promise<SubjectState | undefined> {
  const source = SOURCES[kind];
  const [found] = await tx.execute<{ state: Record<string, unknown>; account_id: string | null }>(sql`
    select (to_jsonb(row) - ${SECRET_COLUMNS}) || ${source.extra} as state, ${source.accountId} as account_id
    from ${source.from} where ${source.id} = ${id}`);
  return found && { state: found.state, accountId: found.account_id };
}
