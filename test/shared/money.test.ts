import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ceilToMicroUsd,
  floorToMicroUsd,
  formatUsd,
  NANO_PER_USD,
  parseUsd,
  roundPicoToNano,
} from '#shared/money.ts';

const LARGEST = 9_999_999_999_999_999_999n;
const nano = fc.bigInt({ min: -LARGEST, max: LARGEST });
const NANO_PER_MICRO = 1_000n;

describe('parseUsd and formatUsd', () => {
  it('give back every amount exactly', () => {
    fc.assert(
      fc.property(nano, (amount) => {
        expect(parseUsd(formatUsd(amount))).toBe(amount);
      }),
    );
  });

  it('print at least cents and never a superfluous zero after them', () => {
    fc.assert(
      fc.property(nano, (amount) => {
        expect(formatUsd(amount)).toMatch(/^-?\d+\.\d{2}(\d{0,6}[1-9])?$/);
      }),
    );
  });

  it.each([
    ['0', 0n],
    ['0.01', 10_000_000n],
    ['25', 25n * NANO_PER_USD],
    ['-0.000000001', -1n],
    ['007.5', 7_500_000_000n],
  ])('read %j', (text, amount) => {
    expect(parseUsd(text)).toBe(amount);
  });

  it.each([
    '',
    '.5',
    '5.',
    '1e3',
    '+1',
    '1,000',
    ' 1',
    '1 ',
    '0x1',
    'NaN',
    '0.0000000001',
    '12345678901',
    '١',
  ])('refuse %j', (text) => {
    expect(parseUsd(text)).toBeUndefined();
  });
});

describe('rounding', () => {
  it('takes half a nano-dollar up and never moves an amount by more than half', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: LARGEST }), (pico) => {
        const difference = roundPicoToNano(pico) * 1_000n - pico;
        expect(difference > -500n && difference <= 500n).toBe(true);
      }),
    );
    expect(roundPicoToNano(499n)).toBe(0n);
    expect(roundPicoToNano(500n)).toBe(1n);
    expect(roundPicoToNano(1_499n)).toBe(1n);
  });

  it('shows a customer at most what there is and at least what is held', () => {
    fc.assert(
      fc.property(nano, (amount) => {
        const floor = floorToMicroUsd(amount) * NANO_PER_MICRO;
        const ceil = ceilToMicroUsd(amount) * NANO_PER_MICRO;
        expect(floor <= amount && amount - floor < NANO_PER_MICRO).toBe(true);
        expect(ceil >= amount && ceil - amount < NANO_PER_MICRO).toBe(true);
      }),
    );
    expect(floorToMicroUsd(-1n)).toBe(-1n);
    expect(ceilToMicroUsd(1n)).toBe(1n);
  });
});
