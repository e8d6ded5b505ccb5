import { type JsonWatch, watchFields } from '#data-plane/json/json-watch.ts';

/** Where the scan of a Responses request reports what it finds. Top-level parameters come first. */
export const SLOTS = {
  model: 0,
  input: 1,
  stream: 2,
  maxOutputTokens: 3,
  instructions: 4,
  temperature: 5,
  topP: 6,
  tools: 7,
  toolChoice: 8,
  reasoning: 9,
  effort: 10,
  safetyIdentifier: 11,
  user: 12,
  previousResponseId: 13,
  conversation: 14,
  background: 15,
  prompt: 16,
  item: 20,
  itemType: 21,
  role: 22,
  content: 23,
  callId: 24,
  part: 25,
  partType: 26,
  tool: 27,
} as const;

/** Slots below this one hold parameters. */
export const PARAMETER_SLOTS = 17;
const IGNORED = -1;

const parts: JsonWatch = {
  items: {
    slot: SLOTS.part,
    within: { fields: watchFields({ type: { slot: SLOTS.partType } }) },
  },
};

const item: JsonWatch = {
  fields: watchFields({
    type: { slot: SLOTS.itemType },
    role: { slot: SLOTS.role },
    call_id: { slot: SLOTS.callId },
    content: { slot: SLOTS.content, within: parts },
    output: { slot: IGNORED, within: parts },
  }),
};

/** Everything that the gateway acts on in a Responses request; the rest goes to the provider unread. */
export const RESPONSES_REQUEST_WATCH: JsonWatch = {
  fields: watchFields({
    model: { slot: SLOTS.model },
    input: { slot: SLOTS.input, within: { items: { slot: SLOTS.item, within: item } } },
    stream: { slot: SLOTS.stream },
    max_output_tokens: { slot: SLOTS.maxOutputTokens },
    instructions: { slot: SLOTS.instructions },
    temperature: { slot: SLOTS.temperature },
    top_p: { slot: SLOTS.topP },
    tools: { slot: SLOTS.tools, within: { items: { slot: SLOTS.tool } } },
    tool_choice: { slot: SLOTS.toolChoice },
    reasoning: {
      slot: SLOTS.reasoning,
      within: { fields: watchFields({ effort: { slot: SLOTS.effort } }) },
    },
    safety_identifier: { slot: SLOTS.safetyIdentifier },
    user: { slot: SLOTS.user },
    previous_response_id: { slot: SLOTS.previousResponseId },
    conversation: { slot: SLOTS.conversation },
    background: { slot: SLOTS.background },
    prompt: { slot: SLOTS.prompt },
  }),
};
