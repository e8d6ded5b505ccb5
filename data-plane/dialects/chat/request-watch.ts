import { type JsonWatch, type WatchedValue, watchFields } from '#data-plane/json/json-watch.ts';

/** Where the scan of a chat request reports what it finds. Top-level parameters come first. */
export const SLOTS = {
  model: 0,
  messages: 1,
  stream: 2,
  streamOptions: 3,
  maxCompletionTokens: 4,
  maxTokens: 5,
  temperature: 6,
  topP: 7,
  stop: 8,
  tools: 9,
  toolChoice: 10,
  reasoningEffort: 11,
  safetyIdentifier: 12,
  user: 13,
  choiceCount: 14,
  input: 15,
  message: 20,
  role: 21,
  content: 22,
  toolCallId: 23,
  toolCalls: 24,
  otherAnswer: 25,
  contentBlock: 26,
  contentBlockType: 27,
  videoFrame: 28,
  toolCall: 29,
  toolCallOwnId: 30,
  toolCallType: 31,
  imageUrl: 32,
  videoUrl: 33,
  fileData: 34,
  audioData: 35,
  documentUrl: 36,
  includeUsage: 40,
  stopItem: 41,
  tool: 42,
  toolType: 43,
  toolFunction: 44,
  toolFunctionName: 45,
} as const;
const IGNORED = -1;

/** A field that holds a URL, or an object that does. */
function urlHolder(slot: number, field: string): WatchedValue {
  return { slot, within: { fields: watchFields({ [field]: { slot } }) } };
}

const contentBlock: JsonWatch = {
  fields: watchFields({
    type: { slot: SLOTS.contentBlockType },
    image_url: urlHolder(SLOTS.imageUrl, 'url'),
    video_url: urlHolder(SLOTS.videoUrl, 'url'),
    video: { slot: IGNORED, within: { items: { slot: SLOTS.videoFrame } } },
    file: { slot: IGNORED, within: { fields: watchFields({ file_data: { slot: SLOTS.fileData } }) } },
    input_audio: urlHolder(SLOTS.audioData, 'data'),
    document_url: urlHolder(SLOTS.documentUrl, 'url'),
  }),
};

const toolCall: JsonWatch = {
  fields: watchFields({
    id: { slot: SLOTS.toolCallOwnId },
    type: { slot: SLOTS.toolCallType },
  }),
};

const message: JsonWatch = {
  fields: watchFields({
    role: { slot: SLOTS.role },
    content: {
      slot: SLOTS.content,
      within: { items: { slot: SLOTS.contentBlock, within: contentBlock } },
    },
    tool_call_id: { slot: SLOTS.toolCallId },
    tool_calls: { slot: SLOTS.toolCalls, within: { items: { slot: SLOTS.toolCall, within: toolCall } } },
    // An assistant message that answered in one of these ways may have no content.
    function_call: { slot: SLOTS.otherAnswer },
    refusal: { slot: SLOTS.otherAnswer },
    audio: { slot: SLOTS.otherAnswer },
    reasoning: { slot: SLOTS.otherAnswer },
    reasoning_content: { slot: SLOTS.otherAnswer },
    reasoning_details: { slot: SLOTS.otherAnswer },
  }),
};

const tool: JsonWatch = {
  fields: watchFields({
    type: { slot: SLOTS.toolType },
    function: {
      slot: SLOTS.toolFunction,
      within: { fields: watchFields({ name: { slot: SLOTS.toolFunctionName } }) },
    },
    custom: {
      slot: SLOTS.toolFunction,
      within: { fields: watchFields({ name: { slot: SLOTS.toolFunctionName } }) },
    },
  }),
};

/** Everything that the gateway acts on in a chat request; the rest goes to the provider unread. */
export const CHAT_REQUEST_WATCH: JsonWatch = {
  fields: watchFields({
    model: { slot: SLOTS.model },
    messages: { slot: SLOTS.messages, within: { items: { slot: SLOTS.message, within: message } } },
    stream: { slot: SLOTS.stream },
    stream_options: {
      slot: SLOTS.streamOptions,
      within: { fields: watchFields({ include_usage: { slot: SLOTS.includeUsage } }) },
    },
    max_completion_tokens: { slot: SLOTS.maxCompletionTokens },
    max_tokens: { slot: SLOTS.maxTokens },
    temperature: { slot: SLOTS.temperature },
    top_p: { slot: SLOTS.topP },
    stop: { slot: SLOTS.stop, within: { items: { slot: SLOTS.stopItem } } },
    tools: { slot: SLOTS.tools, within: { items: { slot: SLOTS.tool, within: tool } } },
    tool_choice: { slot: SLOTS.toolChoice },
    reasoning_effort: { slot: SLOTS.reasoningEffort },
    safety_identifier: { slot: SLOTS.safetyIdentifier },
    user: { slot: SLOTS.user },
    n: { slot: SLOTS.choiceCount },
    input: { slot: SLOTS.input },
  }),
};
