import type {
  Extension,
  Hold,
  HoldRequest,
  QuotaRefusal,
  Quotas,
  RateStanding,
  WalletFigures,
} from '#data-plane/admission/quotas.ts';
import type {
  CompiledKey,
  CompiledModel,
  CompiledSnapshot,
  CompiledUpstream,
} from '#data-plane/snapshot/compiled-snapshot.ts';
import type { UsageSpool } from '#data-plane/usage/usage-spool.ts';
import { digestApiKey } from '#shared/api-key.ts';
import type { Fault } from '#shared/fault.ts';
import type { SnapshotAccount, SnapshotKey, SnapshotModel } from '#shared/snapshot.ts';
import type { UsageRecord } from '#shared/usage-record.ts';

/** A snapshot that tests fill by hand. */
export class TestSnapshot implements CompiledSnapshot {
  sequence = 1;
  mayLackNewest = false;
  readonly keys = new Map<string, CompiledKey>();
  readonly accounts = new Map<string, SnapshotAccount>();
  readonly models = new Map<string, CompiledModel>();

  findKey(digest: string): CompiledKey | undefined {
    return this.keys.get(digest);
  }

  findAccount(accountId: string): SnapshotAccount | undefined {
    return this.accounts.get(accountId);
  }

  findModel(modelId: string): CompiledModel | undefined {
    return this.models.get(modelId);
  }

  get listedModels(): readonly CompiledModel[] {
    return [...this.models.values()]
      .filter((model) => model.config.status === 'listed')
      .sort((left, right) => left.config.id.localeCompare(right.config.id));
  }

  /** Adds a key with its account and returns its secret. */
  addKey(secret: string, overrides: Partial<SnapshotKey> = {}): string {
    const config: SnapshotKey = {
      id: `key-${this.keys.size + 1}`,
      digest: digestApiKey(secret),
      accountId: 'account-1',
      status: 'active',
      expiresAtMs: null,
      rpmLimit: 60,
      tpmLimit: 100_000,
      aliases: [],
      ...overrides,
    };
    const exact = config.aliases.filter(({ kind }) => kind === 'exact');
    const prefix = config.aliases.filter(({ kind }) => kind === 'prefix');
    const key: CompiledKey = {
      config,
      exactAliases: new Map(exact.map(({ alias, model }) => [alias, model])),
      prefixAliases: prefix
        .map(({ alias, model }) => ({ prefix: alias, model }))
        .sort((left, right) => right.prefix.length - left.prefix.length),
    };
    this.keys.set(config.digest, key);
    if (config.previousSecret !== undefined) this.keys.set(config.previousSecret.digest, key);
    if (!this.accounts.has(config.accountId)) {
      this.accounts.set(config.accountId, { id: config.accountId, status: 'active' });
    }
    return secret;
  }

  addModel(
    config: SnapshotModel,
    upstreams: readonly { upstream: CompiledUpstream; providerModel: string }[],
  ): void {
    const routes = upstreams.map((route, index) => ({ ...route, weight: 1, priority: index }));
    this.models.set(config.id, { config, prices: config.prices, routes });
  }
}

/** Grants everything unless told otherwise, and remembers what was held and settled. */
export class TestQuotas implements Quotas {
  refusal: QuotaRefusal | undefined;
  wallet: WalletFigures | undefined | Fault = { spendableNano: 5_000_000_000n, uncollectedNano: 0n };
  budgetPeriod: string | undefined;
  standing: RateStanding = {
    requestLimit: 60,
    tokenLimit: 100_000,
    remainingRequests: 59,
    remainingTokens: 99_000,
    requestResetMs: 61_000,
    tokenResetMs: 60_100,
  };
  /** Answers to requests for more money, in order; then all are granted. */
  extensions: (Extension | Promise<Extension>)[] = [];
  readonly extended: bigint[] = [];
  readonly held: HoldRequest[] = [];
  readonly settled: { costNano: bigint; usedTokens: number }[] = [];
  /** Holds that were taken and not settled. */
  open = 0;

  async hold(request: HoldRequest): Promise<Hold | QuotaRefusal> {
    if (this.refusal !== undefined) return this.refusal;
    this.held.push(request);
    this.open += 1;
    return { heldNano: request.worstCaseNano, budgetPeriod: this.budgetPeriod, standing: this.standing };
  }

  extend(_: Hold, additionalNano: bigint): Extension | Promise<Extension> {
    this.extended.push(additionalNano);
    return this.extensions.shift() ?? 'held';
  }

  settle({ heldNano }: Hold, costNano: bigint, usedTokens: number): bigint {
    this.open -= 1;
    this.settled.push({ costNano, usedTokens });
    return costNano > heldNano ? costNano - heldNano : 0n;
  }

  async readWallet(): Promise<WalletFigures | undefined | Fault> {
    return this.wallet;
  }
}

/** Keeps records in memory; like the real one, it calls back after the tick. */
export class TestSpool implements UsageSpool {
  accepting = true;
  /** While true, records are queued and no response may end. */
  stalled = false;
  readonly records: UsageRecord[] = [];
  #waiting: (() => void)[] = [];
  #listeners: (() => void)[] = [];

  append(record: UsageRecord, onSpooled: () => void): void {
    this.records.push(record);
    if (this.stalled) this.#waiting.push(onSpooled);
    else setImmediate(onSpooled);
    for (const listener of this.#listeners.splice(0)) listener();
  }

  /** Lets queued responses end. */
  release(): void {
    this.stalled = false;
    for (const callback of this.#waiting.splice(0)) callback();
  }

  /** Resolves with the records once there are at least `count`. */
  async wait(count: number): Promise<readonly UsageRecord[]> {
    while (this.records.length < count) await new Promise<void>((resolve) => this.#listeners.push(resolve));
    return this.records;
  }
}
