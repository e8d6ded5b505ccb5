/**
 * Money is a `bigint` of nano-USD (1e-9 USD) everywhere inside the product. Floats never touch it.
 * Prices are micro-USD per 1,000,000 tokens, so tokens × price is an exact integer in pico-USD (1e-12 USD).
 */
export type NanoUsd = bigint;
export type PicoUsd = bigint;

export const NANO_PER_USD = 1_000_000_000n;
const NANO_PER_MICRO = 1_000n;
const PICO_PER_NANO = 1_000n;
const USD_DECIMALS = 9;
const USD_PATTERN = /^(-?)(\d{1,10})(?:\.(\d{1,9}))?$/;

/**
 * Parses a decimal USD string exactly (`"0.01"` → 10_000_000n).
 * Returns `undefined` when the text is not a plain decimal with at most 9 fractional digits.
 */
export function parseUsd(text: string): NanoUsd | undefined {
  const match = USD_PATTERN.exec(text);
  if (!match) return undefined;
  const [, sign, whole = '0', fraction = ''] = match;
  const nano = BigInt(whole) * NANO_PER_USD + BigInt(fraction.padEnd(USD_DECIMALS, '0'));
  return sign === '-' ? -nano : nano;
}

/** Prints nano-USD as an exact decimal string with at least two fractional digits (`10_000_000n` → `"0.01"`). */
export function formatUsd(nano: NanoUsd): string {
  const negative = nano < 0n;
  const absolute = negative ? -nano : nano;
  const fraction = (absolute % NANO_PER_USD)
    .toString()
    .padStart(USD_DECIMALS, '0')
    .replace(/0{1,7}$/, '');
  return `${negative ? '-' : ''}${absolute / NANO_PER_USD}.${fraction}`;
}

/** The one rounding rule of the product: pico-USD to nano-USD, half up. Costs are never negative. */
export function roundPicoToNano(pico: PicoUsd): NanoUsd {
  return (pico + PICO_PER_NANO / 2n) / PICO_PER_NANO;
}

/** Nano-USD to whole micro-USD, rounded towards minus infinity: what the public API may promise as spendable. */
export function floorToMicroUsd(nano: NanoUsd): bigint {
  const quotient = nano / NANO_PER_MICRO;
  return nano % NANO_PER_MICRO < 0n ? quotient - 1n : quotient;
}

/** Nano-USD to whole micro-USD, rounded up: what the public API shows as held. */
export function ceilToMicroUsd(nano: NanoUsd): bigint {
  return -floorToMicroUsd(-nano);
}
