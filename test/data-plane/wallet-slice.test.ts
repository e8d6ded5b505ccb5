import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateSlice } from '#data-plane/admission/rate-slice.ts';
import { RateWindow } from '#data-plane/admission/rate-window.ts';
import { WalletSlice } from '#data-plane/admission/wallet-slice.ts';

type Step =
  | { readonly kind: 'lend'; readonly amount: bigint; readonly used: bigint }
  | { readonly kind: 'written' | 'give_back' | 'recall' | 'observe' }
  | { readonly kind: 'take' | 'owe' | 'adopt'; readonly amount: bigint }
  | { readonly kind: 'settle'; readonly which: number; readonly cost: bigint };

const amount = fc.bigInt({ min: 0n, max: 1_000n });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('lend' as const), amount, used: amount }),
  fc.record({ kind: fc.constantFrom('written', 'give_back', 'recall', 'observe') }),
  fc.record({ kind: fc.constantFrom('take', 'owe', 'adopt'), amount }),
  fc.record({ kind: fc.constant('settle' as const), which: fc.nat(), cost: amount }),
);

describe('a slice of a wallet', () => {
  it('accounts for all that it was lent, whatever happens, and its counters never fall', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const slice = new WalletSlice('wallet', 5);
        const holds: bigint[] = [];
        const unwritten: (() => void)[] = [];
        let spent = 0n;
        for (const each of steps) {
          const before = { granted: slice.granted, returned: slice.returned };
          switch (each.kind) {
            case 'lend': {
              const used = each.used < each.amount ? each.used : each.amount;
              unwritten.push(slice.lend(each.amount, used, 1_000n).written);
              holds.push(used);
              break;
            }
            case 'written':
              unwritten.shift()?.();
              break;
            case 'take':
              if (slice.take(each.amount)) holds.push(each.amount);
              break;
            case 'settle': {
              if (holds.length === 0) break;
              const [held = 0n] = holds.splice(each.which % holds.length, 1);
              slice.settle(held, each.cost);
              spent += each.cost;
              break;
            }
            case 'owe':
              slice.owe(each.amount);
              spent += each.amount;
              break;
            case 'adopt':
              slice.adopt(slice.granted + each.amount);
              break;
            case 'give_back':
              slice.giveBack(slice.targetNano);
              break;
            case 'recall':
              slice.recall(10);
              break;
            case 'observe':
              slice.noteDemand(7n);
              slice.observe(250, true, 20);
          }
          const open = holds.reduce((sum, held) => sum + held, 0n);
          expect(slice.granted - slice.returned).toBe(slice.idleNano + slice.unwrittenNano + open + spent);
          expect(slice.idleNano).toBeGreaterThanOrEqual(0n);
          expect(slice.granted).toBeGreaterThanOrEqual(before.granted);
          expect(slice.returned).toBeGreaterThanOrEqual(before.returned);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('grows with the observed rate, shrinks when it falls, and rests after a recall', () => {
    const slice = new WalletSlice('wallet', 5);
    const interval = (holds: number, nowMs: number): bigint => {
      for (let sent = 0; sent < holds; sent += 1) slice.noteDemand(100n);
      slice.observe(250, true, nowMs);
      return slice.targetNano;
    };
    let grown = 0n;
    for (let round = 0; round < 30; round += 1) grown = interval(10, round);
    // 40 holds of 100 a second for 5 s.
    expect(grown).toBeGreaterThan(19_000n);
    expect(grown).toBeLessThanOrEqual(20_000n);
    expect(slice.wanted()).toBe(grown);
    slice.noteAsked();
    expect(slice.wanted()).toBe(0n);
    interval(10, 31);
    expect(slice.wanted()).toBeGreaterThan(0n);
    slice.lend(grown, 0n, 1n).written();
    expect(slice.wanted()).toBe(0n);
    for (let round = 0; round < 60; round += 1) interval(0, 100);
    expect([slice.targetNano, slice.idleNano]).toEqual([0n, 0n]);
    slice.recall(1_000);
    expect(interval(10, 999)).toBe(0n);
    expect(interval(10, 1_000)).toBeGreaterThan(0n);
  });

  it('takes what Redis granted without our hearing of it for idle, but not while an answer is on its way', () => {
    const slice = new WalletSlice('wallet', 5);
    slice.pendingLeases = 1;
    slice.adopt(50n);
    expect(slice.idleNano).toBe(0n);
    slice.pendingLeases = 0;
    slice.adopt(50n);
    slice.adopt(40n);
    expect([slice.granted, slice.idleNano, slice.changed]).toEqual([50n, 50n, true]);
  });
});

describe('a slice of the rates', () => {
  it('is valid for its time only, and its rest goes back to where it was charged', () => {
    const rate = new RateSlice();
    expect(rate.take(0, 1)).toBe(false);
    rate.replace(100, 3, 30, 1_000);
    expect([rate.take(999, 10), rate.take(999, 30), rate.take(1_000, 10)]).toEqual([true, false, false]);
    expect(rate.hasExpired(1_000)).toBe(true);
    rate.replace(101, 5, 50, 2_000);
    rate.correct(100, 0, -4);
    expect(rate.takeCorrections()).toEqual([100, -2, -24]);
    expect(rate.hasCorrections).toBe(false);
    expect([rate.isLow(1_500), rate.isLow(1_601)]).toEqual([false, true]);
  });
});

describe('the limits inside one process', () => {
  const START_MS = 1_000_000_000_000;

  it('never admit more than the limit in any 60 s, and name the time when a retry fits', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ gapMs: fc.nat(4_000), tokens: fc.integer({ min: 0, max: 50 }) }), {
          maxLength: 200,
        }),
        (requests) => {
          const window = new RateWindow();
          const admitted: { atMs: number; tokens: number }[] = [];
          let nowMs = START_MS;
          for (const { gapMs, tokens } of requests) {
            nowMs += gapMs;
            const refusal = window.take(nowMs, tokens, 20, 400);
            if (refusal === undefined) admitted.push({ atMs: nowMs, tokens });
            else {
              nowMs += refusal.retryAfterMs;
              expect(window.take(nowMs, tokens, 20, 400)).toBeUndefined();
              admitted.push({ atMs: nowMs, tokens });
            }
            const recent = admitted.filter(({ atMs }) => atMs > nowMs - 60_000);
            expect(recent.length).toBeLessThanOrEqual(20);
            expect(recent.reduce((sum, each) => sum + each.tokens, 0)).toBeLessThanOrEqual(400);
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
