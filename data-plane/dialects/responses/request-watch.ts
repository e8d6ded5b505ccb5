import { type JsonWatch, type WatchedValue, watchFields } from '#data-plane/json/json-watch.ts';

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
  /** URLs inside `content`; those inside `output` have the same numbers, so many higher: see {@link OUTPUT_URLS}. */
  imageUrl: 30,
  fileUrl: 31,
  fileData: 32,
  videoUrl: 33,
  audioData: 34,
} as const;

/** Slots below this one hold parameters. */
export const PARAMETER_SLOTS = 17;
export const OUTPUT_URLS = 10;
const IGNORED = -1;

function imageUrl(slot: number): WatchedValue {
  // Some clients nest the address as chat does.
  return { slot, within: { fields: watchFields({ url: { slot } }) } };
}

function partsWatch(urls: number): JsonWatch {
  const part = watchFields({
    type: { slot: SLOTS.partType },
    image_url: imageUrl(SLOTS.imageUrl + urls),
    file_url: { slot: SLOTS.fileUrl + urls },
    file_data: { slot: SLOTS.fileData + urls },
    video_url: { slot: SLOTS.videoUrl + urls },
    input_audio: {
      slot: IGNORED,
      within: { fields: watchFields({ data: { slot: SLOTS.audioData + urls } }) },
    },
  });
  return { items: { slot: SLOTS.part, within: { fields: part } } };
}

/** The output of a tool is a list of parts, or a single picture. */
const output: JsonWatch = {
  ...partsWatch(OUTPUT_URLS),
  fields: watchFields({ image_url: imageUrl(SLOTS.imageUrl + OUTPUT_URLS) }),
};

const item: JsonWatch = {
  fields: watchFields({
    type: { slot: SLOTS.itemType },
    role: { slot: SLOTS.role },
    call_id: { slot: SLOTS.callId },
    content: { slot: SLOTS.content, within: partsWatch(0) },
    output: { slot: IGNORED, within: output },
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
