import { type JsonWatch, watchFields } from '#data-plane/json/json-watch.ts';

/** Where the scan of a Messages request reports what it finds. Top-level parameters come first. */
export const SLOTS = {
  model: 0,
  messages: 1,
  maxTokens: 2,
  stream: 3,
  system: 4,
  temperature: 5,
  topP: 6,
  topK: 7,
  stopSequences: 8,
  tools: 9,
  toolChoice: 10,
  metadata: 11,
  thread: 12,
  thinking: 13,
  userId: 14,
  message: 20,
  role: 21,
  content: 22,
  block: 23,
  blockType: 24,
  sourceType: 25,
  innerBlock: 26,
  innerBlockType: 27,
  innerSourceType: 28,
  stopSequence: 29,
  tool: 30,
  sourceUrl: 31,
  innerSourceUrl: 32,
  sourceBlock: 33,
  sourceBlockUrl: 34,
} as const;

/** Slots below this one hold parameters. */
export const PARAMETER_SLOTS = 15;
const IGNORED = -1;

/** A block inside a tool result. */
const innerBlock: JsonWatch = {
  fields: watchFields({
    type: { slot: SLOTS.innerBlockType },
    source: {
      slot: IGNORED,
      within: {
        fields: watchFields({
          type: { slot: SLOTS.innerSourceType },
          url: { slot: SLOTS.innerSourceUrl },
        }),
      },
    },
  }),
};

/** A block that a document is made of. */
const sourceBlock: JsonWatch = {
  fields: watchFields({
    source: { slot: IGNORED, within: { fields: watchFields({ url: { slot: SLOTS.sourceBlockUrl } }) } },
  }),
};

const block: JsonWatch = {
  fields: watchFields({
    type: { slot: SLOTS.blockType },
    source: {
      slot: IGNORED,
      within: {
        fields: watchFields({
          type: { slot: SLOTS.sourceType },
          url: { slot: SLOTS.sourceUrl },
          content: { slot: IGNORED, within: { items: { slot: SLOTS.sourceBlock, within: sourceBlock } } },
        }),
      },
    },
    content: { slot: IGNORED, within: { items: { slot: SLOTS.innerBlock, within: innerBlock } } },
  }),
};

const message: JsonWatch = {
  fields: watchFields({
    role: { slot: SLOTS.role },
    content: { slot: SLOTS.content, within: { items: { slot: SLOTS.block, within: block } } },
  }),
};

/** Everything that the gateway acts on in a Messages request; the rest goes to the provider unread. */
export const MESSAGES_REQUEST_WATCH: JsonWatch = {
  fields: watchFields({
    model: { slot: SLOTS.model },
    messages: { slot: SLOTS.messages, within: { items: { slot: SLOTS.message, within: message } } },
    max_tokens: { slot: SLOTS.maxTokens },
    stream: { slot: SLOTS.stream },
    system: { slot: SLOTS.system },
    temperature: { slot: SLOTS.temperature },
    top_p: { slot: SLOTS.topP },
    top_k: { slot: SLOTS.topK },
    stop_sequences: { slot: SLOTS.stopSequences, within: { items: { slot: SLOTS.stopSequence } } },
    tools: { slot: SLOTS.tools, within: { items: { slot: SLOTS.tool } } },
    tool_choice: { slot: SLOTS.toolChoice },
    metadata: {
      slot: SLOTS.metadata,
      within: { fields: watchFields({ user_id: { slot: SLOTS.userId } }) },
    },
    thread: { slot: SLOTS.thread },
    thinking: { slot: SLOTS.thinking },
  }),
};
