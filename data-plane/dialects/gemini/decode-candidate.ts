import { filledText, isJsonObject, objectOf, objectsOf } from '#data-plane/dialects/json-access.ts';
import type { OpenParts } from '#data-plane/dialects/open-parts.ts';
import type { FinishReason, JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import type { EmitTurnEvent } from '#data-plane/dialects/turn-event.ts';
import { citationsOf } from './citations.ts';
import { logprobsOf } from './logprobs.ts';
import { PartialArguments } from './partial-arguments.ts';
import { FINISH_REASONS, NUMBERED_FINISH_REASONS, type SignaturePlace, USABLE_WITH_CALLS } from './wire.ts';

interface FragmentedCall {
  readonly part: number;
  readonly args: PartialArguments;
}

const REASONS = new Map(FINISH_REASONS);
const MINTED_ID_SEED_LENGTH = 24;

/** Reads the parts of one candidate, in whatever pieces they come. */
export class CandidateDecoder {
  readonly #index: number;
  readonly #upstreamId: string;
  readonly #parts: OpenParts;
  readonly #emit: EmitTurnEvent;
  readonly #cited = new Set<string>();
  #callCount = 0;
  #fragmented: FragmentedCall | undefined;
  /** A signature that stood on the text before it; told in a part of its own once that text has ended. */
  #pendingSignature: { place: SignaturePlace; value: string } | undefined;
  #saidSomething = false;
  #rawReason: JsonValue | undefined;

  constructor(index: number, upstreamId: string, parts: OpenParts, emit: EmitTurnEvent) {
    this.#index = index;
    this.#upstreamId = upstreamId;
    this.#parts = parts;
    this.#emit = emit;
  }

  read(candidate: JsonObject): void {
    this.#rawReason = candidate.finishReason ?? this.#rawReason;
    let logprobs = logprobsOf(candidate.logprobsResult);
    for (const part of objectsOf(objectOf(candidate.content)?.parts)) {
      const isText = typeof part.text === 'string' && part.text !== '' && part.thought !== true;
      this.#readPart(part, isText ? logprobs : []);
      if (isText) logprobs = [];
    }
    this.#cite(candidate);
  }

  /** `failed` when the answer was cut or cannot be used. */
  reason(): FinishReason | 'failed' {
    const stated = this.#statedReason();
    if (stated === 'stop' && this.#callCount > 0) return 'tool_calls';
    if (stated !== 'failed' || typeof this.#rawReason !== 'string') return stated;
    if (this.#callCount > 0 && USABLE_WITH_CALLS.has(this.#rawReason)) return 'tool_calls';
    if (this.#saidSomething && this.#rawReason === 'OTHER') return 'stop';
    return stated;
  }

  close(): void {
    this.#endCall();
    this.#tellSignature();
    this.#parts.closeChoice(this.#index);
  }

  #statedReason(): FinishReason | 'failed' {
    const raw = this.#rawReason;
    if (typeof raw === 'number')
      return (raw < NUMBERED_FINISH_REASONS ? FINISH_REASONS[raw]?.[1] : undefined) ?? 'failed';
    const name = filledText(raw);
    if (name === undefined) return 'failed';
    if (REASONS.has(name)) return REASONS.get(name) ?? 'failed';
    return this.#saidSomething ? 'stop' : 'failed';
  }

  #readPart(part: JsonObject, logprobs: readonly JsonObject[]): void {
    const signature = filledText(part.thoughtSignature);
    const call = objectOf(part.functionCall);
    if (call !== undefined) this.#readCall(call, signature);
    else if (part.thought === true && typeof part.text === 'string') this.#readThought(part.text, signature);
    else if (typeof part.text === 'string') this.#readText(part.text, signature, logprobs);
    else if (Object.keys(part).some((name) => name !== 'thoughtSignature')) this.#readNative(part);
    else if (signature !== undefined) this.#readText('', signature, []);
  }

  #readThought(text: string, signature: string | undefined): void {
    this.#tellSignature();
    if (text === '' && signature === undefined) return;
    this.#parts.write(this.#index, 'reasoning', text, { summary: true });
    if (signature === undefined) return;
    this.#parts.sign(this.#index, { family: 'gemini', kind: 'thought', value: signature });
    this.#parts.closeProse(this.#index);
  }

  /** A signed piece of text stays a part of its own: merged with others it could not be returned as it was. */
  #readText(text: string, signature: string | undefined, logprobs: readonly JsonObject[]): void {
    if (text === '' && signature === undefined) return;
    if (text !== '') {
      this.#tellSignature();
      if (signature !== undefined) this.#parts.closeProse(this.#index);
      this.#parts.write(this.#index, 'text', text, logprobs.length === 0 ? {} : { logprobs });
      this.#saidSomething = true;
    }
    if (signature === undefined) return;
    if (text === '') this.#tellSignature();
    this.#pendingSignature = { place: text === '' ? 'on_empty' : 'on_text', value: signature };
  }

  #tellSignature(): void {
    const pending = this.#pendingSignature;
    if (pending === undefined) return;
    this.#pendingSignature = undefined;
    this.#parts.closeProse(this.#index);
    this.#parts.open(this.#index, 'reasoning');
    this.#parts.sign(this.#index, { family: 'gemini', kind: pending.place, value: pending.value });
    this.#parts.closeProse(this.#index);
  }

  #readNative(value: JsonObject): void {
    this.#tellSignature();
    this.#saidSomething = true;
    this.#parts.native(this.#index, 'gemini', value);
  }

  #readCall(call: JsonObject, signature: string | undefined): void {
    const name = filledText(call.name);
    if (name !== undefined) this.#startCall(call, name, signature);
    const open = this.#fragmented;
    if (open === undefined) return;
    for (const fragment of objectsOf(call.partialArgs)) open.args.add(fragment);
    if (isJsonObject(call.args)) open.args.replace(call.args);
    if (call.willContinue !== true) this.#endCall();
  }

  #startCall(call: JsonObject, name: string, signature: string | undefined): void {
    this.#endCall();
    this.#tellSignature();
    const part = this.#parts.startCall(this.#index, {
      callId: filledText(call.id) ?? this.#mintCallId(),
      name,
      ...(signature === undefined
        ? {}
        : {
            signature: { family: 'gemini', kind: 'call' satisfies SignaturePlace, value: signature } as const,
          }),
    });
    this.#callCount += 1;
    this.#fragmented = { part, args: new PartialArguments() };
  }

  #endCall(): void {
    const open = this.#fragmented;
    if (open === undefined) return;
    this.#fragmented = undefined;
    this.#parts.writeCall(this.#index, open.part, JSON.stringify(open.args.value));
  }

  /** Unique over the conversation, as the response's own id is part of it. */
  #mintCallId(): string {
    const seed = this.#upstreamId.replace(/[^a-zA-Z0-9]/g, '').slice(-MINTED_ID_SEED_LENGTH);
    return `call_${seed}_${this.#index}_${this.#callCount}`;
  }

  #cite(candidate: JsonObject): void {
    const open = this.#parts.openProse(this.#index);
    if (open?.kind !== 'text') return;
    for (const citation of citationsOf(candidate)) {
      const key = JSON.stringify(citation);
      if (this.#cited.has(key)) continue;
      this.#cited.add(key);
      this.#emit({ kind: 'part_citation', index: open.index, ...citation });
    }
  }
}
