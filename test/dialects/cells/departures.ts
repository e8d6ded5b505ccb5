import type { JsonObject } from '#data-plane/dialects/turn.ts';
import type { Dialect } from '#shared/usage-record.ts';
import {
  departuresFromOpenAi,
  messagesSchemas,
  openAiResponsesSchemas,
  openResponsesSchemas,
} from '#test/dialects/published-schemas.ts';

/** Blocks of Anthropic's beta features, which its published schema does not hold. */
const BETA_BLOCKS =
  /"type":"(mcp_tool_use|mcp_tool_result|advisor|advisor_tool_result|compaction)"|"advisor"/;
/** Hosted tools, what they cite and free-text tools are OpenAI's own; Open Responses knows none of them. */
const HOSTED_ITEMS =
  /file_citation|"type":"(?!function_call")\w+_call"|mcp_list_tools|code_interpreter|compaction/;

const MESSAGES_VERSIONS = ['2023-06-01', '2026-10-21'] as const;

/** Where an event of a stream departs from the published shapes of its dialect. */
export function departures(dialect: Dialect, payload: JsonObject): unknown[] {
  if (dialect === 'chat')
    return departuresFromOpenAi(
      payload.error === undefined ? 'CreateChatCompletionStreamResponse' : 'ErrorResponse',
      payload,
    );
  if (dialect === 'messages')
    return messagesDepartures(payload, payload.type === 'error' ? 'errorResponse' : 'streamEvent');
  const openAi = openAiResponsesSchemas().streamEvent;
  if (!openAi(payload)) return [payload, openAi.errors];
  const open = openResponsesSchemas().streamEvent;
  const isHosted = HOSTED_ITEMS.test(JSON.stringify(payload)) || /custom_tool/.test(String(payload.type));
  return isHosted || open(payload) ? [] : [payload, open.errors];
}

/** The same of a body. */
export function bodyDepartures(dialect: Dialect, body: JsonObject): unknown[] {
  if (dialect === 'chat') return departuresFromOpenAi('CreateChatCompletionResponse', body);
  if (dialect === 'messages') return messagesDepartures(body, 'message');
  const openAi = openAiResponsesSchemas().response;
  if (!openAi(body)) return [body, openAi.errors];
  const open = openResponsesSchemas().response;
  return HOSTED_ITEMS.test(JSON.stringify(body)) || open(body) ? [] : [body, open.errors];
}

/** Clients of both versions of the API are answered in one way, which has to fit both. */
function messagesDepartures(
  value: JsonObject,
  shape: 'errorResponse' | 'streamEvent' | 'message',
): unknown[] {
  if (BETA_BLOCKS.test(JSON.stringify(value))) return [];
  return MESSAGES_VERSIONS.flatMap((version) => {
    const validate = messagesSchemas(version)[shape];
    return validate(value) ? [] : [version, value, validate.errors];
  });
}
