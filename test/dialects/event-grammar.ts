import type { JsonObject, ProviderSignature } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';

/** Where a sequence of events departs from the grammar of an answer; empty when it does not. */
export function grammarFaults(events: readonly TurnEvent[]): string[] {
  const faults: string[] = [];
  const open = new Map<number, { choice: number; part: string }>();
  const endedChoices = new Set<number>();
  let nextIndex = 0;
  events.forEach((event, at) => {
    const say = (text: string) => faults.push(`event ${at} (${event.kind}): ${text}`);
    const isLast = at === events.length - 1;
    switch (event.kind) {
      case 'part_start':
      case 'native_part':
        if (event.index !== nextIndex) say(`index ${event.index}, expected ${nextIndex}`);
        nextIndex += 1;
        if (endedChoices.has(event.choice)) say('its choice has ended');
        for (const other of open.values()) {
          const interleave =
            event.kind === 'part_start' && event.part === 'tool_call' && other.part === 'tool_call';
          if (other.choice === event.choice && !interleave) say('another part of its choice is open');
        }
        if (event.kind === 'part_start') open.set(event.index, event);
        return;
      case 'part_delta':
      case 'part_signature':
      case 'part_citation':
        if (!open.has(event.index)) say('its part is not open');
        return;
      case 'part_end':
        if (!open.delete(event.index)) say('its part is not open');
        return;
      case 'choice_end':
        endedChoices.add(event.choice);
        for (const part of open.values()) if (part.choice === event.choice) say('a part of it is open');
        return;
      case 'turn_end':
        if (!isLast) say('something follows');
        if (endedChoices.size === 0) say('no choice has ended');
        return;
      case 'turn_fault':
        if (!isLast) say('something follows');
        return;
      default:
        return;
    }
  });
  const last = events.at(-1)?.kind;
  if (last !== 'turn_end' && last !== 'turn_fault') faults.push(`ends with ${last}`);
  return faults;
}

export interface FoldedPart {
  /** text, reasoning, refusal, tool_call or native. */
  readonly part: string;
  readonly choice: number;
  text: string;
  readonly callId?: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly custom?: boolean;
  readonly summary?: boolean;
  readonly itemId?: string;
  readonly phase?: string;
  signature?: ProviderSignature;
  citations?: readonly object[];
  logprobs?: readonly JsonObject[];
  readonly native?: JsonObject;
}

/** An answer put together from its events: what has to be the same in whatever pieces it arrived. */
export interface FoldedAnswer {
  readonly parts: readonly FoldedPart[];
  readonly reasons: Readonly<Record<number, string>>;
  readonly usage: object | undefined;
  /** What ended the choices and the answer. */
  readonly ends: readonly TurnEvent[];
  readonly end: string;
}

/** Throws when the events depart from the grammar of an answer. */
export function foldAnswer(events: readonly TurnEvent[]): FoldedAnswer {
  const faults = grammarFaults(events);
  if (faults.length > 0) throw new Error(faults.join('; '));
  const parts: FoldedPart[] = [];
  const reasons: Record<number, string> = {};
  const ends: TurnEvent[] = [];
  let usage: object | undefined;
  for (const event of events) {
    if (event.kind === 'part_start') {
      const { kind: _, index: __, ...said } = event;
      parts.push({ ...said, text: '' });
    } else if (event.kind === 'native_part') {
      parts.push({ part: 'native', choice: event.choice, text: '', native: event.value });
    } else if (event.kind === 'usage') usage = event.usage;
    else if ('index' in event) addTo(parts[event.index], event);
    else if (event.kind !== 'turn_start') ends.push(event);
    if (event.kind === 'choice_end') reasons[event.choice] = event.reason;
  }
  return { parts, reasons, usage, ends, end: events.at(-1)?.kind ?? 'nothing' };
}

function addTo(part: FoldedPart | undefined, event: TurnEvent): void {
  if (part === undefined) return;
  if (event.kind === 'part_delta') {
    part.text += event.text;
    if (event.logprobs !== undefined) part.logprobs = [...(part.logprobs ?? []), ...event.logprobs];
  } else if (event.kind === 'part_signature') {
    part.signature = event.signature;
  } else if (event.kind === 'part_citation') {
    const { kind: _, index: __, ...citation } = event;
    part.citations = [...(part.citations ?? []), citation];
  }
}

/** All text of one kind of part, joined. */
export function saidAs(part: string, answer: FoldedAnswer): string {
  return answer.parts
    .filter((item) => item.part === part)
    .map((item) => item.text)
    .join('');
}
