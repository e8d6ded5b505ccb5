import { createHash } from 'node:crypto';

/** A provider caches prompt prefixes in blocks of 128 tokens, from 1,024 tokens on. */
export const BLOCK_TOKENS = 128;
const BLOCK_CHARACTERS = 512;
export const MIN_CACHED_TOKENS = 1024;
const REMEMBERED_PREFIXES = 65_536;
const BLOCKS_PER_PROMPT = 4096;

export interface PromptCache {
  /**
   * How many of the `promptTokens` tokens of `prompt` were seen as a prefix before with this model, and remembers the
   * prompt for the next call. Memory only; the prompt itself is not kept, only digests of its prefixes.
   */
  lookUpAndRemember(model: string, prompt: string, promptTokens: number): number;
}

export function createPromptCache(): PromptCache {
  const known = new Set<string>();
  const remember = (digest: string): void => {
    known.delete(digest);
    known.add(digest);
    if (known.size <= REMEMBERED_PREFIXES) return;
    const oldest = known.values().next();
    if (!oldest.done) known.delete(oldest.value);
  };
  return {
    lookUpAndRemember(model, prompt, promptTokens) {
      const blockCount = Math.min(Math.floor(promptTokens / BLOCK_TOKENS), BLOCKS_PER_PROMPT);
      if (blockCount * BLOCK_TOKENS < MIN_CACHED_TOKENS) return 0;
      // Blocks have a fixed width in characters, so that a prompt and its continuation cut at the same places.
      let cachedBlocks = 0;
      let unbroken = true;
      let digest = model;
      for (let block = 0; block < blockCount; block += 1) {
        const start = block * BLOCK_CHARACTERS;
        if (start + BLOCK_CHARACTERS > prompt.length) break;
        digest = digestOf(digest, prompt.slice(start, start + BLOCK_CHARACTERS));
        unbroken &&= known.has(digest);
        if (unbroken) cachedBlocks = block + 1;
        remember(digest);
      }
      const cached = cachedBlocks * BLOCK_TOKENS;
      return cached < MIN_CACHED_TOKENS ? 0 : cached;
    },
  };
}

function digestOf(previous: string, block: string): string {
  return createHash('sha256').update(previous).update('\0').update(block).digest('base64url').slice(0, 22);
}
