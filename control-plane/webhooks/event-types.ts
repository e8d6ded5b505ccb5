import { formatId } from '#shared/identifiers.ts';
import type { NanoUsd } from '#shared/money.ts';

/** Every type of event that an endpoint can hear of, with its meaning as the API and the documents show it. */
export const WEBHOOK_EVENT_TYPES = {
  'api_key.disabled': 'An API key was disabled; it answers `api_key_inactive` from now on.',
  'balance.low': "The account's balance has fallen below its threshold for warnings.",
  'spend_limit.approached': 'An API key has spent 80 % of its budget of the current period.',
  'spend_limit.reached':
    'An API key has spent its whole budget of the current period; its requests are refused.',
  'top_up.completed': 'A payment has arrived and its credit is on the balance.',
  'account.suspended': 'The account was suspended; all its keys answer `user_inactive`.',
  'account.activated': 'The account is active again.',
} as const;

export type WebhookEventType = keyof typeof WEBHOOK_EVENT_TYPES;
/** What `webhookEndpointTest` sends; nobody subscribes to it. */
export const TEST_EVENT_TYPE = 'webhook_endpoint.test';

export const ALL_EVENT_TYPES = Object.keys(WEBHOOK_EVENT_TYPES).filter((name): name is WebhookEventType =>
  Object.hasOwn(WEBHOOK_EVENT_TYPES, name),
);

/** Public ids and amounts as decimal texts: what receivers get, and what the samples of the document show. */
export type EventData = Readonly<Record<string, string | number | null>>;

export interface WebhookEvent {
  /** The account that it is about, a UUID. */
  readonly accountId: string;
  readonly type: WebhookEventType | typeof TEST_EVENT_TYPE;
  readonly data: EventData;
}

export function keyDisabled(accountId: string, apiKeyId: string): WebhookEvent {
  return {
    accountId,
    type: 'api_key.disabled',
    data: { accountId: formatId('Account', accountId), apiKeyId: formatId('ApiKey', apiKeyId) },
  };
}

export function balanceLow(accountId: string, balanceNano: NanoUsd, thresholdNano: NanoUsd): WebhookEvent {
  return {
    accountId,
    type: 'balance.low',
    data: {
      accountId: formatId('Account', accountId),
      balanceNano: balanceNano.toString(),
      thresholdNano: thresholdNano.toString(),
    },
  };
}

export interface ReachedMark {
  readonly accountId: string;
  readonly apiKeyId: string;
  /** As in usage records, such as `month-2026-11`. */
  readonly period: string;
  readonly percent: number;
  readonly spentNano: NanoUsd;
  readonly limitNano: NanoUsd;
}

export function spendLimit(mark: ReachedMark): WebhookEvent {
  return {
    accountId: mark.accountId,
    type: mark.percent >= 100 ? 'spend_limit.reached' : 'spend_limit.approached',
    data: {
      accountId: formatId('Account', mark.accountId),
      apiKeyId: formatId('ApiKey', mark.apiKeyId),
      period: mark.period,
      percent: mark.percent,
      spentNano: mark.spentNano.toString(),
      limitNano: mark.limitNano.toString(),
    },
  };
}

export function topUpCompleted(accountId: string, topUpId: string, creditNano: NanoUsd): WebhookEvent {
  return {
    accountId,
    type: 'top_up.completed',
    data: {
      accountId: formatId('Account', accountId),
      topUpId: formatId('TopUp', topUpId),
      creditNano: creditNano.toString(),
    },
  };
}

export function accountStatusChanged(accountId: string, status: 'active' | 'suspended'): WebhookEvent {
  return {
    accountId,
    type: status === 'suspended' ? 'account.suspended' : 'account.activated',
    data: { accountId: formatId('Account', accountId) },
  };
}
