/** Words with the space before them, groups of up to three digits, runs of punctuation, single ideographs. */
const PIECES = / ?[\p{L}\p{M}]+| ?\p{N}{1,3}| ?[^\s\p{L}\p{M}\p{N}]{1,4}|\s+/gu;
const IDEOGRAPHS = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;
const WORD_TOKEN_CHARACTERS = 8;
const MEASURED_CHARACTERS = 65_536;

/** Cuts text into pieces about as long as the tokens of a real model; joined they are the text again. */
export function tokenize(text: string): string[] {
  const tokens: string[] = [];
  for (const piece of text.match(PIECES) ?? []) {
    if (IDEOGRAPHS.test(piece)) tokens.push(...piece);
    else if (piece.length <= WORD_TOKEN_CHARACTERS) tokens.push(piece);
    else tokens.push(...cutLongWord(piece));
  }
  return tokens;
}

/** How many tokens `tokenize` would give; for long texts extrapolated from the beginning. */
export function countTokens(text: string): number {
  if (text.length <= MEASURED_CHARACTERS) return tokenize(text).length;
  const measured = tokenize(text.slice(0, MEASURED_CHARACTERS)).length;
  return Math.round((measured * text.length) / MEASURED_CHARACTERS);
}

function cutLongWord(word: string): string[] {
  const pieces: string[] = [];
  const characters = [...word];
  for (let start = 0; start < characters.length; start += WORD_TOKEN_CHARACTERS)
    pieces.push(characters.slice(start, start + WORD_TOKEN_CHARACTERS).join(''));
  return pieces;
}
