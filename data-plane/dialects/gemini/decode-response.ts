import type { StreamDecoder } from '#data-plane/dialects/codec.ts';
import {
  countOf,
  filledText,
  isJsonObject,
  listOf,
  objectOf,
  objectsOf,
  parseJsonObject,
} from '#data-plane/dialects/json-access.ts';
import { OpenParts } from '#data-plane/dialects/open-parts.ts';
import { providerFailed } from '#data-plane/dialects/provider-error-wording.ts';
import type { FinishReason, JsonObject } from '#data-plane/dialects/turn.ts';
import type { EmitTurnEvent } from '#data-plane/dialects/turn-event.ts';
import type { Fault } from '#shared/fault.ts';
import { CandidateDecoder } from './decode-candidate.ts';
import { readGeminiFault } from './faults.ts';
import { readGeminiUsage } from './read-usage.ts';

export function createGeminiStreamDecoder(emit: EmitTurnEvent): StreamDecoder {
  return new GeminiAnswerDecoder(emit);
}

/** A whole answer gives the events that its stream would. */
export function decodeGeminiBody(body: JsonObject, emit: EmitTurnEvent): void {
  const decoder = new GeminiAnswerDecoder(emit);
  decoder.read(body);
  decoder.end();
}

/**
 * Reads the answers of `generateContent`. There is no end marker, and early chunks may already name a reason, so every
 * choice ends when the stream does; without any reason the answer was cut.
 */
class GeminiAnswerDecoder implements StreamDecoder {
  readonly #emit: EmitTurnEvent;
  readonly #parts: OpenParts;
  readonly #candidates = new Map<number, CandidateDecoder>();
  #started = false;
  #closed = false;
  #blocked = false;
  #searches = 0;
  #upstreamId = '';

  constructor(emit: EmitTurnEvent) {
    this.#emit = emit;
    this.#parts = new OpenParts(emit);
  }

  frame(_eventName: string, data: string): void {
    if (this.#closed) return;
    const chunk = parseJsonObject(data);
    if (chunk === undefined) this.#fail(providerFailed().fault);
    else this.read(chunk);
  }

  /** Gemini reports an error in the middle of a stream as plain JSON behind the last event. */
  unframed(text: string): void {
    if (this.#closed) return;
    const chunk = parseJsonObject(text);
    if (chunk !== undefined && isJsonObject(chunk.error)) this.#failWith(chunk);
    else if (text.trim() !== '') this.#fail(providerFailed().fault);
  }

  read(chunk: JsonObject): void {
    if (chunk.error !== undefined && chunk.error !== null) {
      this.#failWith(chunk);
      return;
    }
    if (!this.#started) {
      this.#started = true;
      this.#upstreamId = filledText(chunk.responseId) ?? '';
      this.#emit({ kind: 'turn_start', upstreamId: this.#upstreamId });
    }
    if (objectOf(chunk.promptFeedback)?.blockReason !== undefined) this.#blocked = true;
    for (const [position, candidate] of listOf(chunk.candidates).entries()) {
      if (isJsonObject(candidate)) this.#candidate(countOf(candidate.index) ?? position).read(candidate);
    }
    this.#searches = Math.max(this.#searches, searchesIn(chunk));
    const usage = readGeminiUsage(chunk.usageMetadata, this.#searches);
    if (usage !== undefined) this.#emit({ kind: 'usage', usage });
  }

  end(): void {
    if (this.#closed) return;
    const candidates = [...this.#candidates.entries()];
    if (candidates.length === 0 && this.#blocked) {
      this.#emit({ kind: 'choice_end', choice: 0, reason: 'content_filter' });
      this.#finish();
      return;
    }
    const reasons = candidates.map(([index, candidate]) => ({ index, reason: candidate.reason() }));
    if (reasons.length === 0 || reasons.some(({ reason }) => reason === 'failed')) {
      this.#fail(providerFailed().fault);
      return;
    }
    for (const { index, reason } of reasons) {
      this.#candidates.get(index)?.close();
      this.#emit({ kind: 'choice_end', choice: index, reason: reason as FinishReason });
    }
    this.#finish();
  }

  #candidate(index: number): CandidateDecoder {
    const known = this.#candidates.get(index);
    if (known !== undefined) return known;
    const candidate = new CandidateDecoder(index, this.#upstreamId, this.#parts, this.#emit);
    this.#candidates.set(index, candidate);
    return candidate;
  }

  #finish(): void {
    this.#closed = true;
    this.#emit({ kind: 'turn_end' });
  }

  #failWith(error: JsonObject): void {
    this.#fail(readGeminiFault(200, undefined, Buffer.from(JSON.stringify(error))).fault);
  }

  #fail(fault: Fault): void {
    this.#closed = true;
    this.#emit({ kind: 'turn_fault', fault });
  }
}

/** Searches are charged by the query; each chunk that tells of them repeats all. */
function searchesIn(chunk: JsonObject): number {
  return objectsOf(chunk.candidates).reduce(
    (sum, candidate) => sum + listOf(objectOf(candidate.groundingMetadata)?.webSearchQueries).length,
    0,
  );
}
