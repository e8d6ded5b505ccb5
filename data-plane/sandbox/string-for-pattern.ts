/**
 * Makes the shortest plain string that a regular expression of a JSON schema matches: alternatives take the first branch,
 * repetitions their minimum. Returns `undefined` for what it cannot read (look-around, back references) and whenever the
 * result does not match after all.
 */
export function stringForPattern(pattern: string): string | undefined {
  const reader = new PatternReader(pattern);
  const text = reader.readAlternatives();
  if (text === undefined || !reader.atEnd()) return undefined;
  try {
    return new RegExp(pattern, 'u').test(text) ? text : undefined;
  } catch {
    // A schema may hold any text as its pattern; one that is no expression binds nobody.
    return undefined;
  }
}

const CLASS_SAMPLES: Readonly<Record<string, string>> = { d: '1', w: 'a', s: ' ', D: 'a', W: '-', S: 'a' };
const CONTROL_SAMPLES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };
const CLASS_CANDIDATES = 'aA1_-. :/@+#abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

class PatternReader {
  private position = 0;
  private readonly pattern: string;

  constructor(pattern: string) {
    this.pattern = pattern;
  }

  atEnd(): boolean {
    return this.position >= this.pattern.length;
  }

  readAlternatives(): string | undefined {
    let first: string | undefined;
    for (let branch = 0; ; branch += 1) {
      const text = this.readSequence();
      if (text === undefined) return undefined;
      if (branch === 0) first = text;
      if (this.peek() !== '|') return first;
      this.position += 1;
    }
  }

  private readSequence(): string | undefined {
    let text = '';
    while (!this.atEnd() && this.peek() !== '|' && this.peek() !== ')') {
      const atom = this.readAtom();
      if (atom === undefined) return undefined;
      text += atom.repeat(this.readMinimumRepeats());
    }
    return text;
  }

  private readAtom(): string | undefined {
    const character = this.take();
    switch (character) {
      case '^':
      case '$':
        return '';
      case '.':
        return 'a';
      case '(':
        return this.readGroup();
      case '[':
        return this.readClass();
      case '\\':
        return this.readEscape();
      case '*':
      case '+':
      case '?':
        return undefined;
      default:
        return character;
    }
  }

  private readGroup(): string | undefined {
    if (this.peek() === '?') {
      const named = /^\?(?::|<[A-Za-z_]\w*>)/.exec(this.pattern.slice(this.position));
      if (!named) return undefined;
      this.position += named[0].length;
    }
    const text = this.readAlternatives();
    return this.take() === ')' ? text : undefined;
  }

  private readClass(): string | undefined {
    const start = this.position - 1;
    for (; !this.atEnd() && this.peek() !== ']'; this.position += 1)
      if (this.peek() === '\\') this.position += 1;
    this.position += 1;
    try {
      const members = new RegExp(this.pattern.slice(start, this.position), 'u');
      return [...CLASS_CANDIDATES].find((candidate) => members.test(candidate));
    } catch {
      return undefined;
    }
  }

  private readEscape(): string | undefined {
    const character = this.take();
    if (character === 'b') return '';
    if (/[pPuxBk1-9]/.test(character)) return undefined;
    return CLASS_SAMPLES[character] ?? CONTROL_SAMPLES[character] ?? character;
  }

  private readMinimumRepeats(): number {
    const [quantifier, minimum] =
      /^(?:[*+?]|\{(\d+)(?:,\d*)?\})\??/.exec(this.pattern.slice(this.position)) ?? [];
    if (quantifier === undefined) return 1;
    this.position += quantifier.length;
    if (minimum !== undefined) return Math.min(Number(minimum), 1000);
    return quantifier.startsWith('+') ? 1 : 0;
  }

  private peek(): string {
    return this.pattern.charAt(this.position);
  }

  private take(): string {
    const character = this.peek();
    this.position += 1;
    return character;
  }
}
