import { fault } from '#shared/fault.ts';
import { formatId } from '#shared/identifiers.ts';
import type { KeyQuota, WalletUse } from './key-quota.ts';
import type { QuotaRefusal, RateStanding } from './quotas.ts';

const RETRY_MS = 1_000;

export function requestRateRefusal(
  limit: number,
  retryAfterMs: number,
  standing: RateStanding,
): QuotaRefusal {
  return { ...rateFault(`max ${limit} requests per minute`, retryAfterMs), standing };
}

export function tokenRateRefusal(limit: number, retryAfterMs: number, standing: RateStanding): QuotaRefusal {
  return { ...rateFault(`max ${limit} tokens per minute`, retryAfterMs), standing };
}

/** The wallet that has less than the request needs says why it is refused. */
export function shortRefusal(key: KeyQuota, { kind, limit }: WalletUse): QuotaRefusal {
  switch (kind) {
    case 'inFlight':
      return rateFault(`max ${limit} requests in flight`, RETRY_MS);
    case 'budget':
      return fault(
        'insufficient_balance',
        `Insufficient balance. The budget of API key '${formatId('ApiKey', key.id)}' is spent.`,
      );
    case 'balance':
      return fault('insufficient_balance', 'Insufficient balance. Please recharge your wallet.');
    case 'unstated':
      return fault(
        'insufficient_balance',
        'Insufficient balance. Please recharge your wallet, or state an output limit so that less is held.',
      );
  }
}

export function noWallet(): QuotaRefusal {
  return fault('no_wallet', 'This account has no wallet yet. Please top up to create one.');
}

export function cannotCheck(): QuotaRefusal {
  return fault('model_unavailable', 'Balances cannot be checked right now. Please retry in a moment.', {
    retryAfterMs: RETRY_MS,
  });
}

function rateFault(limit: string, retryAfterMs: number): QuotaRefusal {
  return fault('rate_limit_exceeded', `Rate limit exceeded: ${limit}.`, { retryAfterMs });
}
