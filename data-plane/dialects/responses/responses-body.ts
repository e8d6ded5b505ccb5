import { JSON_KINDS, type JsonKind, type JsonSink, watchFields } from '#data-plane/json/json-watch.ts';
import { SCAN_OK, scanJson } from '#data-plane/json/scan-json.ts';

const SLOTS = { input: 0, messages: 1 } as const;
const WATCH = {
  fields: watchFields({ input: { slot: SLOTS.input }, messages: { slot: SLOTS.messages } }),
};
const INPUT_KEY = Buffer.from('"input"');

/**
 * Whether a body has the shape of a Responses request: an `input` and no `messages`. Some clients post such bodies to the
 * chat endpoint (Cursor). Costs a scan of a body that says "input" anywhere, so ask once the chat reader has refused it.
 */
export function isResponsesBody(body: Buffer): boolean {
  if (!body.includes(INPUT_KEY)) return false;
  let inputKind: JsonKind | undefined;
  let hasMessages = false;
  const sink: JsonSink = {
    value: (slot, kind) => {
      if (slot === SLOTS.input) inputKind = kind;
      else if (kind !== JSON_KINDS.null) hasMessages = true;
    },
    ambiguousKey: () => {},
  };
  if (scanJson(body, 0, body.length, WATCH, sink) !== SCAN_OK) return false;
  return !hasMessages && (inputKind === JSON_KINDS.string || inputKind === JSON_KINDS.array);
}
