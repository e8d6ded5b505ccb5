import type { Gateway } from '#data-plane/gateway.ts';
import { isFault } from '#shared/fault.ts';
import { ceilToMicroUsd, floorToMicroUsd } from '#shared/money.ts';
import type { WindowTotals } from '#shared/usage-totals.ts';
import { answerFault, answerJson, answerUnexpected, type Exchange } from './exchange.ts';
import { withKey } from './shared-get.ts';

/** `GET /v1/credits`: what can be spent and what is held, in micro-USD; zeros for an account without a wallet. */
export function showCredits(gateway: Gateway, exchange: Exchange): void {
  withKey(gateway, exchange, 'bearer', (key) => {
    gateway.quotas.readWallet(key.config.accountId).then(
      (wallet) => {
        if (isFault(wallet)) {
          answerFault(exchange, wallet);
          return;
        }
        const balance = floorToMicroUsd(wallet?.spendableNano ?? 0n);
        const uncollected = ceilToMicroUsd(wallet?.uncollectedNano ?? 0n);
        const body = `{"currency":"USD","balance_micro":${balance},"uncollected_micro":${uncollected}}`;
        answerJson(exchange, body);
      },
      (error) => answerUnexpected(gateway, exchange, error),
    );
  });
}

/** `GET /v1/usage`: the account's totals of the current UTC day, ISO week and month, at most a minute old. */
export function showUsage(gateway: Gateway, exchange: Exchange): void {
  withKey(gateway, exchange, 'bearer', (key) => {
    gateway.totals.readTotals(key.config.accountId).then(
      (totals) => {
        if (isFault(totals)) {
          answerFault(exchange, totals);
          return;
        }
        const daily = windowJson(totals.daily);
        const weekly = windowJson(totals.weekly);
        const monthly = windowJson(totals.monthly);
        const windows = `"daily":${daily},"weekly":${weekly},"monthly":${monthly}`;
        answerJson(exchange, `{"currency":"USD",${windows}}`);
      },
      (error) => answerUnexpected(gateway, exchange, error),
    );
  });
}

/** Written by hand because the cost is an integer of any size, which `JSON.stringify` cannot print. */
function windowJson(totals: WindowTotals): string {
  const { costMicro, promptTokens, completionTokens, requestCount, successCount } = totals;
  const tokens = `"prompt_tokens":${promptTokens},"completion_tokens":${completionTokens}`;
  const total = `"total_tokens":${promptTokens + completionTokens}`;
  const counts = `"request_count":${requestCount},"success_count":${successCount}`;
  return `{"cost_micro":${BigInt(costMicro)},${tokens},${total},${counts}}`;
}
