import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { Clock } from '#shared/clock.ts';
import { type Fault, fault, isFault } from '#shared/fault.ts';
import type { NanoUsd } from '#shared/money.ts';
import { redisKeys } from '#shared/redis-keys.ts';
import { openRedisLink, type RedisLink } from '#shared/redis-link.ts';
import type { Hold, HoldRequest, Quotas, WalletFigures } from './quotas.ts';
import { RateWindow } from './rate-window.ts';
import { readWalletFigures } from './wallet-figures.ts';

export interface RedisQuotasOptions {
  readonly redisUrl: string;
  /** Id of this process's spool: whose counters are moved. */
  readonly spoolId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How much an account may spend on this process while quotas cannot be checked, nano-USD. */
  readonly outageAllowanceNano: NanoUsd;
  /** Normally {@link HOLD_TIMEOUT_MS}. */
  readonly holdTimeoutMs: number;
}

export interface RedisQuotas extends Quotas {
  /** False while holds are taken from the outage allowance. */
  readonly reachable: boolean;
  close(): void;
}

/** After this a request that its account's allowance covers no longer waits for Redis. */
export const HOLD_TIMEOUT_MS = 5;
/** Nothing on the request path waits longer for Redis. */
const PATIENCE_MS = 100;
const WALLET_TIMEOUT_MS = 20;
const WALLET_MAX_AGE_MS = 60_000;
const PROBE_INTERVAL_MS = 50;
const REDECLARE_INTERVAL_MS = 5_000;
const OUTAGE_RETRY_MS = 1_000;
const WALLETS_REMEMBERED = 100_000;
const DECLARATION_TTL_SECONDS = 3_600;

interface WalletState {
  granted: bigint;
  returned: bigint;
  /** Spent or held from the outage allowance; counted into `granted` when it is settled. */
  outageNano: bigint;
  /** Free money at the last answer of Redis. */
  lastFreeNano: bigint;
  declared: boolean;
}

type HoldAnswer = [verdict: string, ...figures: (string | number)[]];

interface QuotaScripts {
  hold(...args: (string | number)[]): Promise<HoldAnswer>;
  declareCounters(...args: (string | number)[]): Promise<number>;
}

const OUTAGE_SECOND = 0;

export function openRedisQuotas(options: RedisQuotasOptions): RedisQuotas {
  return new ScriptQuotas(options);
}

/** Each request asks Redis once. High-volume slices belong behind this same interface. */
class ScriptQuotas implements RedisQuotas {
  readonly #options: RedisQuotasOptions;
  readonly #link: RedisLink;
  readonly #client: Redis & QuotaScripts;
  readonly #wallets = new Map<string, WalletState>();
  readonly #rateWindows = new Map<string, RateWindow>();
  readonly #figures = new Map<
    string,
    { readonly atMs: number; readonly figures: WalletFigures | undefined }
  >();
  readonly #outageHolds = new WeakSet<Hold>();
  readonly #redeclareTimer: NodeJS.Timeout;
  #reachable = false;
  #probing = false;

  constructor(options: RedisQuotasOptions) {
    this.#options = options;
    this.#link = openRedisLink(options.redisUrl, 'quotas', options.logger);
    for (const [name, file, numberOfKeys] of [
      ['hold', './hold.lua', 4],
      ['declareCounters', './declare-counters.lua', 3],
    ] as const)
      this.#link.client.defineCommand(name, {
        lua: readFileSync(new URL(file, import.meta.url), 'utf8'),
        numberOfKeys,
      });
    this.#client = this.#link.client as Redis & QuotaScripts;
    this.#link.onConnected((runId) => void this.#declareAll(runId));
    this.#redeclareTimer = setInterval(() => this.#redeclareChanged(), REDECLARE_INTERVAL_MS);
  }

  get reachable(): boolean {
    return this.#reachable;
  }

  close(): void {
    clearInterval(this.#redeclareTimer);
    this.#link.close();
  }

  async hold(request: HoldRequest): Promise<Hold | Fault> {
    const tokens = Math.min(request.reservedTokens, request.key.config.tpmLimit);
    const runId = this.#link.runId();
    if (runId === undefined) return this.#holdFromAllowance(request, tokens);
    if (!this.#reachable) {
      const spare = this.#holdFromAllowance(request, tokens);
      if (!isFault(spare) || spare.kind !== 'model_unavailable') return spare;
    }
    const asked = this.#askForHold(request, tokens, runId);
    let answer = this.#reachable ? await withDeadline(asked, this.#options.holdTimeoutMs) : undefined;
    if (answer === undefined) {
      this.#suspend();
      const spare = this.#holdFromAllowance(request, tokens);
      // Rather than refuse what the allowance does not cover, give a Redis that is merely busy a moment more.
      if (isFault(spare) && spare.kind === 'model_unavailable')
        answer = await withDeadline(asked, PATIENCE_MS);
      if (answer === undefined) {
        this.#abandon(request);
        return spare;
      }
    }
    return this.#conclude(request, tokens, answer);
  }

  async #askForHold(request: HoldRequest, tokens: number, runId: string): Promise<HoldAnswer | undefined> {
    const { config } = request.key;
    const wallet = this.#walletOf(config.accountId);
    try {
      return await this.#client.hold(
        redisKeys.quotaOpen,
        redisKeys.wallet(config.accountId),
        redisKeys.rateBuckets(config.id),
        redisKeys.spoolWallets(this.#options.spoolId),
        runId,
        this.#options.spoolId,
        request.worstCaseNano.toString(),
        wallet.granted.toString(),
        wallet.returned.toString(),
        config.rpmLimit,
        config.tpmLimit,
        tokens,
        config.accountId,
      );
    } catch (error) {
      if (this.#link.runId() !== undefined)
        this.#options.logger.error({ reason: String(error) }, 'A hold could not be taken');
      return undefined;
    }
  }

  /** Redis may or may not have taken the hold: counting it as granted and returned is right in both cases. */
  #abandon(request: HoldRequest): void {
    const wallet = this.#walletOf(request.key.config.accountId);
    wallet.granted += request.worstCaseNano;
    wallet.returned += request.worstCaseNano;
    wallet.declared = false;
  }

  #conclude(request: HoldRequest, tokens: number, [verdict, first, second]: HoldAnswer): Hold | Fault {
    const { config } = request.key;
    const wallet = this.#walletOf(config.accountId);
    switch (verdict) {
      case 'held':
        wallet.granted += request.worstCaseNano;
        wallet.lastFreeNano = BigInt(second ?? 0);
        return {
          accountId: config.accountId,
          apiKeyId: config.id,
          heldNano: request.worstCaseNano,
          reservedTokens: tokens,
          bucketSecond: Number(first),
        };
      case 'rpm':
        return rateFault(`max ${config.rpmLimit} requests per minute`, Number(first));
      case 'tpm':
        return rateFault(`max ${config.tpmLimit} tokens per minute`, Number(first));
      case 'short':
        wallet.lastFreeNano = BigInt(first ?? 0);
        return fault('insufficient_balance', 'Insufficient balance. Please recharge your wallet.');
      case 'none':
        return fault('no_wallet', 'This account has no wallet yet. Please top up to create one.');
      default:
        // The balances of a restarted Redis are being seeded again.
        this.#suspend();
        return this.#holdFromAllowance(request, tokens);
    }
  }

  settle(hold: Hold, costNano: NanoUsd, usedTokens: number): void {
    const wallet = this.#walletOf(hold.accountId);
    if (this.#outageHolds.has(hold)) {
      wallet.outageNano -= hold.heldNano;
      wallet.granted += costNano;
      wallet.outageNano += costNano;
      // Redis came back in between and the allowance began anew.
      if (wallet.outageNano < 0n) wallet.outageNano = 0n;
    } else wallet.returned += hold.heldNano - costNano;
    wallet.declared = false;
    if (this.#link.runId() === undefined) return;
    const counted = Math.min(usedTokens, Number.MAX_SAFE_INTEGER) - hold.reservedTokens;
    this.#declare(hold.accountId, wallet, hold.apiKeyId, hold.bucketSecond, counted);
  }

  async readWallet(accountId: string): Promise<WalletFigures | undefined | Fault> {
    const { clock } = this.#options;
    if (this.#link.runId() !== undefined) {
      const fields = await withDeadline(
        Promise.all([
          this.#client.get(redisKeys.quotaOpen),
          this.#client.hgetall(redisKeys.wallet(accountId)),
        ]),
        WALLET_TIMEOUT_MS,
      );
      if (fields !== undefined && fields[0] === this.#link.runId()) {
        const figures = readWalletFigures(fields[1]);
        if (this.#figures.size >= WALLETS_REMEMBERED) this.#figures.clear();
        this.#figures.set(accountId, { atMs: clock.monotonicMs(), figures });
        return figures;
      }
    }
    const last = this.#figures.get(accountId);
    if (last !== undefined && clock.monotonicMs() - last.atMs <= WALLET_MAX_AGE_MS) return last.figures;
    return fault('db_error', 'The balance cannot be read right now. Please retry in a moment.');
  }

  #walletOf(accountId: string): WalletState {
    let wallet = this.#wallets.get(accountId);
    if (wallet === undefined) {
      wallet = { granted: 0n, returned: 0n, outageNano: 0n, lastFreeNano: 0n, declared: true };
      this.#wallets.set(accountId, wallet);
    }
    return wallet;
  }

  /** Redis cannot be asked: the account's small allowance and the key's limits inside this process decide. */
  #holdFromAllowance(request: HoldRequest, tokens: number): Hold | Fault {
    const { config } = request.key;
    const wallet = this.#walletOf(config.accountId);
    const { outageAllowanceNano, clock } = this.#options;
    const ceiling = wallet.lastFreeNano < outageAllowanceNano ? wallet.lastFreeNano : outageAllowanceNano;
    if (wallet.outageNano + request.worstCaseNano > ceiling)
      return fault('model_unavailable', 'Balances cannot be checked right now. Please retry in a moment.', {
        retryAfterMs: OUTAGE_RETRY_MS,
      });
    let window = this.#rateWindows.get(config.id);
    if (window === undefined) {
      window = new RateWindow();
      this.#rateWindows.set(config.id, window);
    }
    const nowSecond = Math.floor(clock.nowMs() / 1000);
    const verdict = window.take(nowSecond, tokens, config.rpmLimit, config.tpmLimit);
    if (verdict === 'rpm') return rateFault(`max ${config.rpmLimit} requests per minute`, OUTAGE_RETRY_MS);
    if (verdict === 'tpm') return rateFault(`max ${config.tpmLimit} tokens per minute`, OUTAGE_RETRY_MS);
    wallet.outageNano += request.worstCaseNano;
    const hold: Hold = {
      accountId: config.accountId,
      apiKeyId: config.id,
      heldNano: request.worstCaseNano,
      reservedTokens: tokens,
      bucketSecond: OUTAGE_SECOND,
    };
    this.#outageHolds.add(hold);
    return hold;
  }

  /** Stops asking until a probe finds Redis quick and its balances open: a slow Redis is worse than a dead one. */
  #suspend(): void {
    this.#reachable = false;
    if (this.#probing) return;
    this.#probing = true;
    let declared = false;
    const probe = async (): Promise<void> => {
      const runId = this.#link.runId();
      if (runId === undefined) {
        // The next connection starts over with `#declareAll`.
        this.#probing = false;
        return;
      }
      const answer = await withDeadline(this.#client.mget(redisKeys.quotaOpen), this.#options.holdTimeoutMs);
      if (answer?.[0] === runId) {
        this.#resume();
        return;
      }
      // Balances are shut: Redis was wiped under us, so the publisher waits for our counters before it opens them.
      if (answer !== undefined && !declared) {
        declared = true;
        await this.#sendAllCounters(runId);
      }
      setTimeout(() => void probe(), PROBE_INTERVAL_MS).unref();
    };
    void probe();
  }

  #resume(): void {
    this.#probing = false;
    this.#reachable = true;
    for (const wallet of this.#wallets.values()) wallet.outageNano = 0n;
    this.#rateWindows.clear();
  }

  /** After a (re)connection Redis may have lost counters: tell it ours, then ask again whether balances are open. */
  async #declareAll(runId: string): Promise<void> {
    await this.#sendAllCounters(runId);
    this.#suspend();
  }

  async #sendAllCounters(runId: string): Promise<void> {
    try {
      for (const [accountId, wallet] of this.#wallets)
        if (wallet.granted > 0n) await this.#sendCounters(accountId, wallet, '', 0, 0);
      await this.#client.sadd(redisKeys.quotaDeclared(runId), this.#options.spoolId);
      await this.#client.expire(redisKeys.quotaDeclared(runId), DECLARATION_TTL_SECONDS);
    } catch (error) {
      this.#options.logger.debug({ reason: String(error) }, 'Quota counters not declared');
    }
  }

  #redeclareChanged(): void {
    if (this.#link.runId() === undefined) return;
    for (const [accountId, wallet] of this.#wallets)
      if (!wallet.declared) this.#declare(accountId, wallet, '', 0, 0);
  }

  #declare(accountId: string, wallet: WalletState, apiKeyId: string, second: number, tokens: number): void {
    const { granted, returned } = wallet;
    this.#sendCounters(accountId, wallet, apiKeyId, second, tokens).then(
      () => {
        if (wallet.granted === granted && wallet.returned === returned) wallet.declared = true;
      },
      // The counters are absolute: the next declaration carries this one too.
      () => undefined,
    );
  }

  #sendCounters(
    accountId: string,
    wallet: WalletState,
    apiKeyId: string,
    second: number,
    tokens: number,
  ): Promise<number> {
    return this.#client.declareCounters(
      redisKeys.wallet(accountId),
      redisKeys.spoolWallets(this.#options.spoolId),
      redisKeys.rateBuckets(apiKeyId),
      this.#options.spoolId,
      wallet.granted.toString(),
      wallet.returned.toString(),
      accountId,
      second,
      tokens,
    );
  }
}

function rateFault(limit: string, retryAfterMs: number): Fault {
  return fault('rate_limit_exceeded', `Rate limit exceeded: ${limit}.`, { retryAfterMs });
}

/**
 * The value, or `undefined` when it fails or takes longer than `deadlineMs`. An answer that already waits in the socket
 * when the timer fires still counts: a busy event loop is not a slow Redis.
 */
function withDeadline<Value>(promise: Promise<Value>, deadlineMs: number): Promise<Value | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => setImmediate(resolve, undefined), deadlineMs);
    promise.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      () => {
        clearTimeout(timer);
        resolve(undefined);
      },
    );
  });
}
