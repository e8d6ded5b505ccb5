/**
 * What a developer can make the sandbox do by sending exactly one of these as the last user message (of the last one,
 * several lines for several steps):
 *
 * | message | effect |
 * |---|---|
 * | `sandbox:error:429` (any status from 400 to 599) | an error answer of that status, in the protocol's own shape |
 * | `sandbox:error:stream` | a stream that fails half way with an error event |
 * | `sandbox:error:reset` | the connection breaks half way |
 * | `sandbox:error:stall` | the answer stops half way and the connection stays open |
 * | `sandbox:error:garbage` | a body that is no JSON |
 * | `sandbox:wait:12000` | that many ms of silence before the first byte, at most ten minutes |
 * | `sandbox:tokens:500` | an answer of that many tokens, at most 100,000 |
 * | `sandbox:filter` | `finish_reason: "content_filter"` |
 * | `sandbox:refusal` | a refusal instead of content |
 * | `sandbox:redacted` | reasoning, where asked for, that only the provider can read |
 * | `sandbox:call:write_file {"path":"a.txt"}` | that tool call; a list of arguments makes parallel calls |
 */
export type Directive =
  | { readonly kind: 'error'; readonly status: number }
  | { readonly kind: 'failure'; readonly mode: 'stream' | 'reset' | 'stall' | 'garbage' }
  | { readonly kind: 'wait'; readonly waitMs: number }
  | { readonly kind: 'tokens'; readonly count: number }
  | { readonly kind: 'filter' }
  | { readonly kind: 'refusal' }
  | { readonly kind: 'redacted' }
  | { readonly kind: 'calls'; readonly steps: readonly (readonly RequestedCall[])[] };

/** A call that is made exactly as asked for. */
export interface RequestedCall {
  readonly name: string;
  readonly argumentsJson: string;
}

const MAX_WAIT_MS = 600_000;
const MAX_TOKENS = 100_000;

/** Reads a whole message as a directive; anything else, also a text that merely contains one, is `undefined`. */
export function readDirective(text: string): Directive | undefined {
  const steps = readCalls(text);
  if (steps !== undefined) return { kind: 'calls', steps };
  const [, verb, detail = ''] = /^sandbox:([a-z]+)(?::([a-z0-9]+))?$/.exec(text) ?? [];
  switch (verb) {
    case 'error':
      if (detail === 'stream' || detail === 'reset' || detail === 'stall' || detail === 'garbage')
        return { kind: 'failure', mode: detail };
      return /^[45]\d\d$/.test(detail) ? { kind: 'error', status: Number(detail) } : undefined;
    case 'wait':
      return isCount(detail) ? { kind: 'wait', waitMs: Math.min(Number(detail), MAX_WAIT_MS) } : undefined;
    case 'tokens':
      return isCount(detail) ? { kind: 'tokens', count: Math.min(Number(detail), MAX_TOKENS) } : undefined;
    case 'filter':
      return detail === '' ? { kind: 'filter' } : undefined;
    case 'refusal':
      return detail === '' ? { kind: 'refusal' } : undefined;
    case 'redacted':
      return detail === '' ? { kind: 'redacted' } : undefined;
    default:
      return undefined;
  }
}

/** One step a line; `undefined` unless every line is one. */
function readCalls(text: string): RequestedCall[][] | undefined {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const steps = lines.flatMap((line) => readStep(line) ?? []);
  return lines.length > 0 && steps.length === lines.length ? steps : undefined;
}

function readStep(line: string): [RequestedCall[]] | undefined {
  const [, name, detail = '{}'] = /^sandbox:call:([\w.-]+)(?:\s+(.+))?$/.exec(line.trim()) ?? [];
  if (name === undefined) return undefined;
  try {
    const given: unknown = JSON.parse(detail);
    const list: unknown[] = Array.isArray(given) ? given : [given];
    if (!list.every((entry) => typeof entry === 'object' && entry !== null)) return undefined;
    return [list.map((entry) => ({ name, argumentsJson: JSON.stringify(entry) }))];
  } catch {
    return undefined;
  }
}

function isCount(text: string): boolean {
  return /^\d{1,7}$/.test(text);
}
