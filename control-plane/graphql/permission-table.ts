import type { Permission } from '../accounts/permissions.ts';

/**
 * Who may use which field. Every field of every type is decided here: the schema does not build while one is missing, the
 * guards come from this table, and `control-plane/docs/permissions.md` is printed from it.
 *
 * `signed-in`: any valid token or session. `operator`: operators only. `user`: people with a session, and nobody else. A
 * permission: whoever has it in the account that the object belongs to; for fields of Query, Mutation and Subscription in at least one
 * account, to which the field then confines itself. Of several, one is enough. Operators may use every field but those
 * of `user`.
 */
export type Rule = SimpleRule | readonly SimpleRule[];
type SimpleRule = Permission | 'signed-in' | 'operator' | 'user';

interface TypeRules {
  /** The member of the object that holds the id of its account; without it the rules need no account. */
  readonly accountIdMember?: string;
  readonly rule: Rule;
  /** Fields that differ from `rule`. */
  readonly except?: Readonly<Record<string, Rule>>;
}

export const QUERY_RULES: Readonly<Record<string, Rule>> = {
  viewer: 'signed-in',
  node: 'signed-in',
  nodes: 'signed-in',
  account: 'accounts:read',
  accounts: 'accounts:read',
  apiKeys: 'keys:read',
  auditEntries: 'audit:read',
  ledgerEntries: 'billing:read',
  usageRecords: 'usage:read',
  usageSummary: 'usage:read',
  usageExports: 'usage:read',
  ledgerExports: 'billing:read',
  model: 'signed-in',
  models: 'signed-in',
  upstreams: 'operator',
  marginRules: 'operator',
  quarantinedUsageRecords: 'operator',
  usageExcesses: 'operator',
  openUsageSpools: 'operator',
  lastReconciliation: 'operator',
  topUpTerms: 'signed-in',
  topUps: 'billing:read',
  receipts: 'billing:read',
  statements: 'billing:read',
  paymentMethods: 'billing:read',
  webhookEndpoints: 'webhooks:read',
  webhookDeliveries: 'webhooks:read',
  jobQueues: 'operator',
  deadLetters: 'operator',
};

export const MUTATION_RULES: Readonly<Record<string, Rule>> = {
  accountCreate: ['user', 'accounts:write'],
  accountUpdate: 'accounts:write',
  accountSuspend: 'accounts:write',
  accountActivate: 'accounts:write',
  creditAllocate: 'billing:write',
  creditReclaim: 'billing:write',
  apiKeyCreate: 'keys:write',
  apiKeysCreate: 'keys:write',
  apiKeyUpdate: 'keys:write',
  apiKeyRotate: 'keys:write',
  apiKeysDisable: 'keys:write',
  apiKeyDisable: 'keys:write',
  apiKeyEnable: 'keys:write',
  apiKeyDelete: 'keys:write',
  modelAliasSet: 'keys:write',
  modelAliasDelete: 'keys:write',
  managementTokenCreate: 'tokens:write',
  managementTokenRevoke: 'tokens:write',
  webhookEndpointCreate: 'webhooks:write',
  webhookEndpointUpdate: 'webhooks:write',
  webhookEndpointDelete: 'webhooks:write',
  webhookEndpointSecretRotate: 'webhooks:write',
  webhookEndpointTest: 'webhooks:write',
  webhookDeliveryReplay: 'webhooks:write',
  alertsUpdate: 'billing:write',
  alertMailSet: 'user',
  topUpCheckoutCreate: 'billing:write',
  topUpCreate: 'billing:write',
  paymentMethodSetDefault: 'billing:write',
  paymentMethodRemove: 'billing:write',
  autoTopUpUpdate: 'billing:write',
  billingProfileUpdate: 'billing:write',
  refundCreate: 'billing:write',
  usageExportCreate: 'usage:read',
  ledgerExportCreate: 'billing:read',
  deadLetterReplay: 'operator',
  memberInvite: 'members:write',
  invitationRevoke: 'members:write',
  invitationAccept: 'user',
  memberRoleSet: 'members:write',
  memberRemove: ['user', 'members:write'],
  creditGrant: 'operator',
  ledgerTransactionReverse: 'operator',
  quarantinedUsageRecordReplay: 'operator',
  quarantinedUsageRecordDiscard: 'operator',
  usageSpoolWriteOff: 'operator',
  reconciliationRun: 'operator',
  priceSet: 'operator',
  priceListImport: 'operator',
  marginRuleSet: 'operator',
  modelCreate: 'operator',
  modelUpdate: 'operator',
  modelStatusSet: 'operator',
  upstreamCreate: 'operator',
  upstreamUpdate: 'operator',
  upstreamDelete: 'operator',
};

export const SUBSCRIPTION_RULES: Readonly<Record<string, Rule>> = {
  balanceChanged: 'billing:read',
  usageRecorded: 'usage:read',
};

export const TYPE_RULES: Readonly<Record<string, TypeRules>> = {
  Viewer: { rule: 'signed-in' },
  ViewerAccount: { rule: 'signed-in' },
  Account: {
    accountIdMember: 'id',
    rule: 'accounts:read',
    except: {
      balance: 'billing:read',
      autoTopUp: 'billing:read',
      alerts: 'billing:read',
      billingProfile: 'billing:read',
      promotionalGrants: 'billing:read',
      ledgerEntries: 'billing:read',
      apiKeys: 'keys:read',
      usageRecords: 'usage:read',
      managementTokens: 'tokens:read',
      members: 'members:read',
      invitations: 'members:read',
      auditEntries: 'audit:read',
    },
  },
  ApiKey: {
    accountIdMember: 'accountId',
    rule: 'keys:read',
    except: {
      usageRecords: 'usage:read',
      usage: 'usage:read',
      lastUsedAt: 'usage:read',
      lastUsedNetwork: 'usage:read',
    },
  },
  ModelAlias: { accountIdMember: 'accountId', rule: 'keys:read' },
  ManagementToken: { accountIdMember: 'accountId', rule: 'tokens:read' },
  WebhookEndpoint: { accountIdMember: 'accountId', rule: 'webhooks:read' },
  WebhookDelivery: { accountIdMember: 'accountId', rule: 'webhooks:read' },
  TopUp: { accountIdMember: 'accountId', rule: 'billing:read' },
  Statement: { accountIdMember: 'accountId', rule: 'billing:read' },
  PaymentMethod: { accountIdMember: 'accountId', rule: 'billing:read' },
  AccountMember: { accountIdMember: 'accountId', rule: 'members:read' },
  AccountInvitation: { accountIdMember: 'accountId', rule: 'members:read' },
  AuditEntry: { accountIdMember: 'accountId', rule: 'audit:read' },
  LedgerEntry: { accountIdMember: 'accountId', rule: 'billing:read' },
  UsageRecord: { accountIdMember: 'accountId', rule: 'usage:read' },
  UsageExport: { accountIdMember: 'accountId', rule: 'usage:read' },
  LedgerExport: { accountIdMember: 'accountId', rule: 'billing:read' },
  QuarantinedUsageRecord: { rule: 'operator' },
  UsageExcess: { rule: 'operator' },
  UsageSpool: { rule: 'operator' },
  Reconciliation: { rule: 'operator' },
  Model: { rule: 'signed-in', except: { prices: 'operator' } },
  Price: { rule: 'signed-in' },
  Upstream: { rule: 'operator' },
  Route: { rule: 'operator' },
};

/** Types without an identity of their own: whoever may use the field that leads to them may read them. */
const PARTS = new Set([
  'Receipt',
  'AutoTopUp',
  'BillingProfile',
  'PromotionalGrant',
  'TopUpTerms',
  'StatementUsage',
  'TopUpRequiredAction',
  'JobQueue',
  'DeadLetter',
  'AccountAlerts',
  'WebhookAttempt',
  'BalanceChangedEvent',
  'UsageRecordedEvent',
  'PageInfo',
  'UsageFigures',
  'UsageGroup',
  'UserError',
  'AccountBalance',
  'PriceTier',
  'ServiceTierPrice',
  'ServerToolPrice',
  'PriceChange',
  'MarginRule',
  'ServerToolCalls',
  'ReconciliationDifference',
  'ReconciliationCheck',
  'ModelCapabilities',
  'ReasoningCapability',
  'ReasoningBudgetRange',
]);
const PART_SUFFIX = /(Connection|Edge|Payload)$/;

export type FieldRule =
  | { readonly kind: 'inherited' }
  | { readonly kind: 'anywhere'; readonly rule: Rule }
  | { readonly kind: 'object'; readonly rule: Rule; readonly accountIdMember: string };

const ROOT_RULES = new Map([
  ['Query', QUERY_RULES],
  ['Mutation', MUTATION_RULES],
  ['Subscription', SUBSCRIPTION_RULES],
]);

/** The decision about one field. Throws for a field that the table does not know: nothing is open by accident. */
export function ruleOf(typeName: string, fieldName: string): FieldRule {
  const rootRules = ROOT_RULES.get(typeName);
  if (rootRules) {
    const rule = rootRules[fieldName];
    if (rule === undefined) throw new Error(`${typeName}.${fieldName} is missing in the permission table`);
    return { kind: 'anywhere', rule };
  }
  const rules = TYPE_RULES[typeName];
  if (rules) {
    const rule = rules.except?.[fieldName] ?? rules.rule;
    const { accountIdMember } = rules;
    return accountIdMember === undefined
      ? { kind: 'anywhere', rule }
      : { kind: 'object', rule, accountIdMember };
  }
  if (PARTS.has(typeName) || PART_SUFFIX.test(typeName)) return { kind: 'inherited' };
  throw new Error(`The type ${typeName} is missing in the permission table`);
}

/** The rule of a field of Query, Mutation or Subscription. Throws for one that the table does not know. */
export function rootRuleOf(typeName: 'Query' | 'Mutation' | 'Subscription', fieldName: string): Rule {
  const decision = ruleOf(typeName, fieldName);
  if (decision.kind === 'inherited') throw new Error(`${typeName}.${fieldName} has no rule of its own`);
  return decision.rule;
}

/** The permission that opens the field, if one does. */
export function permissionIn(rule: Rule): Permission | undefined {
  return simpleRules(rule).find(
    (each): each is Permission => each !== 'signed-in' && each !== 'operator' && each !== 'user',
  );
}

export function simpleRules(rule: Rule): readonly SimpleRule[] {
  return typeof rule === 'string' ? [rule] : rule;
}
