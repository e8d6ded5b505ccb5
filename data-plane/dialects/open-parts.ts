import type { ProviderProtocol } from '#shared/usage-record.ts';
import type { JsonObject, ProviderSignature } from './turn.ts';
import type { EmitTurnEvent } from './turn-event.ts';

type ProseKind = 'text' | 'reasoning' | 'refusal';

interface OpenProse {
  readonly index: number;
  readonly kind: ProseKind;
  readonly summary: boolean;
  signature: ProviderSignature | undefined;
}

export interface ToolCallStart {
  readonly callId: string;
  readonly name: string;
  readonly custom?: boolean;
  readonly signature?: ProviderSignature;
}

/**
 * Numbers the parts of an answer and keeps their starts and ends balanced, for decoders of protocols whose streams name
 * no parts: a part of prose lasts until another kind follows in its choice, calls (whose arguments may interleave) until something else does.
 */
export class OpenParts {
  readonly #emit: EmitTurnEvent;
  readonly #prose = new Map<number, OpenProse>();
  readonly #calls = new Map<number, number[]>();
  #nextIndex = 0;

  constructor(emit: EmitTurnEvent) {
    this.#emit = emit;
  }

  /** Adds prose to the choice's open part of that kind, or starts one. Returns the part's index. */
  write(
    choice: number,
    kind: ProseKind,
    text: string,
    more: { readonly summary?: boolean; readonly logprobs?: readonly JsonObject[] } = {},
  ): number {
    const index = this.open(choice, kind, more.summary ?? false);
    const logprobs =
      more.logprobs === undefined || more.logprobs.length === 0 ? {} : { logprobs: more.logprobs };
    if (text !== '' || more.logprobs !== undefined)
      this.#emit({ kind: 'part_delta', index, text, ...logprobs });
    return index;
  }

  /** Makes sure that the choice's open prose is of that kind. */
  open(choice: number, kind: ProseKind, summary = false): number {
    const current = this.#prose.get(choice);
    if (current !== undefined && current.kind === kind && current.summary === summary) return current.index;
    this.closeChoice(choice);
    const index = this.#takeIndex();
    this.#prose.set(choice, { index, kind, summary, signature: undefined });
    this.#emit({ kind: 'part_start', index, part: kind, choice, ...(summary ? { summary } : {}) });
    return index;
  }

  /** The part of prose that is open in the choice. */
  openProse(choice: number): { readonly index: number; readonly kind: ProseKind } | undefined {
    return this.#prose.get(choice);
  }

  /** Gives the open reasoning part a signature, told when the part ends; a later one replaces it. */
  sign(choice: number, signature: ProviderSignature): void {
    const current = this.#prose.get(choice);
    if (current?.kind === 'reasoning') current.signature = signature;
  }

  closeProse(choice: number): void {
    const current = this.#prose.get(choice);
    if (current === undefined) return;
    this.#prose.delete(choice);
    const { index, signature } = current;
    if (signature !== undefined) this.#emit({ kind: 'part_signature', index, signature });
    this.#emit({ kind: 'part_end', index });
  }

  startCall(choice: number, call: ToolCallStart): number {
    this.closeProse(choice);
    const index = this.#takeIndex();
    const open = this.#calls.get(choice) ?? [];
    open.push(index);
    this.#calls.set(choice, open);
    this.#emit({ kind: 'part_start', index, part: 'tool_call', choice, ...call });
    return index;
  }

  /** Adds to a call's arguments; false when other parts came since, so that the call has ended. */
  writeCall(choice: number, index: number, argumentsPiece: string): boolean {
    if (argumentsPiece === '') return true;
    if (!this.#calls.get(choice)?.includes(index)) return false;
    this.#emit({ kind: 'part_delta', index, text: argumentsPiece });
    return true;
  }

  native(choice: number, family: ProviderProtocol, value: JsonObject): void {
    this.closeChoice(choice);
    this.#emit({ kind: 'native_part', index: this.#takeIndex(), choice, family, value });
  }

  /** Ends whatever is open in the choice. */
  closeChoice(choice: number): void {
    this.closeProse(choice);
    for (const index of this.#calls.get(choice) ?? []) this.#emit({ kind: 'part_end', index });
    this.#calls.delete(choice);
  }

  #takeIndex(): number {
    this.#nextIndex += 1;
    return this.#nextIndex - 1;
  }
}
