const WELL_KNOWN_WORDS = [
  'changeme',
  'change-me',
  'change_me',
  'secret',
  'password',
  'example',
  'default',
  'operator',
  'crossmodel',
  'token',
  'deadbeef',
];
const FEWEST_DIFFERENT_CHARACTERS = 10;
const LONGEST_PERIOD = 16;

/**
 * Whether a secret looks like a placeholder or a pattern instead of the output of a random generator: few different
 * characters, a repeated or counted-up sequence, or a word that documentation uses. Random values of 32 characters or more
 * practically never do.
 */
export function isWellKnownSecret(secret: string): boolean {
  const text = secret.toLowerCase();
  if (new Set(text).size < FEWEST_DIFFERENT_CHARACTERS) return true;
  if (WELL_KNOWN_WORDS.some((word) => text.includes(word))) return true;
  return repeatsItself(text) || countsUpOrDown(text);
}

function repeatsItself(text: string): boolean {
  for (let period = 1; period <= Math.min(LONGEST_PERIOD, text.length / 2); period += 1) {
    const repeated = text.slice(0, period).repeat(Math.ceil(text.length / period));
    if (repeated.startsWith(text)) return true;
  }
  return false;
}

/** `0123456789abcdef...`: most neighbours are one step apart. */
function countsUpOrDown(text: string): boolean {
  const digits = [...text].map((character) => Number.parseInt(character, 36));
  const steps = digits.slice(1).filter((digit, index) => Math.abs(digit - (digits[index] ?? 0)) === 1);
  return steps.length > text.length * 0.6;
}
