import { describe, expect, it } from 'vitest';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import type { Dialect } from '#shared/usage-record.ts';
import { hasRecordings, sentEvents } from '#test/dialects/provider-recordings.ts';
import {
  departuresFromOpenAi,
  messagesSchemas,
  openAiResponsesSchemas,
  openResponsesSchemas,
} from '#test/dialects/published-schemas.ts';
import { expectSoundLifecycle } from '#test/dialects/responses/answer-checks.ts';
import { bodyFor, DIALECTS, recordedAnswers, streamFor } from './recorded-cells.ts';
import { expectSoundChat, expectSoundMessages } from './stream-grammar.ts';

const cells = recordedAnswers().flatMap((answer) =>
  DIALECTS.map((dialect) => ({ ...answer, dialect, cell: `${answer.name} as ${dialect}` })),
);

/** Blocks of Anthropic's beta features, which its published schema does not hold. */
const BETA_BLOCKS =
  /"type":"(mcp_tool_use|mcp_tool_result|advisor|advisor_tool_result|compaction)"|"advisor"/;
/** Hosted tools, what they cite and free-text tools are OpenAI's own; Open Responses knows none of them. */
const HOSTED_ITEMS =
  /file_citation|"type":"(?!function_call")\w+_call"|mcp_list_tools|code_interpreter|compaction/;

describe.skipIf(!hasRecordings)('every answer in every cell (needs CROSSMODEL_SHARED)', () => {
  it.each(cells)('$cell: each event and the body have the published shape', ({ dialect, events }) => {
    for (const payload of payloadsFor(dialect, events)) expect(departures(dialect, payload)).toEqual([]);
    if (events.at(-1)?.kind === 'turn_end')
      expect(bodyDepartures(dialect, bodyFor(dialect, events))).toEqual([]);
  });

  it.each(cells)('$cell: the events come in the order of the dialect', ({ dialect, events }) => {
    const sent = sentEvents(streamFor(dialect, events));
    const isWhole = events.at(-1)?.kind === 'turn_end';
    if (dialect === 'chat') expectSoundChat(sent, isWhole);
    else if (dialect === 'messages') expectSoundMessages(sent, isWhole);
    else if (isWhole) expectSoundLifecycle(sent);
    else expect(sent.map(({ name }) => name).slice(-2)).toEqual(['error', 'response.failed']);
  });

  it('the schemas can refuse', () => {
    expect(departures('chat', { object: 'chat.completion.chunk', choices: [{}] })).not.toEqual([]);
    expect(departures('messages', { type: 'content_block_stop' })).not.toEqual([]);
    expect(departures('responses', { type: 'response.output_text.delta' })).not.toEqual([]);
  });
});

function payloadsFor(dialect: Dialect, events: readonly TurnEvent[]): JsonObject[] {
  return sentEvents(streamFor(dialect, events))
    .filter(({ data }) => data !== '[DONE]')
    .map(({ data }) => JSON.parse(data));
}

function departures(dialect: Dialect, payload: JsonObject): unknown[] {
  if (dialect === 'chat')
    return departuresFromOpenAi(
      payload.error === undefined ? 'CreateChatCompletionStreamResponse' : 'ErrorResponse',
      payload,
    );
  if (dialect === 'messages') {
    const { errorResponse, streamEvent } = messagesSchemas('2026-10-21');
    const validate = payload.type === 'error' ? errorResponse : streamEvent;
    return BETA_BLOCKS.test(JSON.stringify(payload)) || validate(payload) ? [] : [payload, validate.errors];
  }
  const openAi = openAiResponsesSchemas().streamEvent;
  if (!openAi(payload)) return [payload, openAi.errors];
  const open = openResponsesSchemas().streamEvent;
  const isHosted = HOSTED_ITEMS.test(JSON.stringify(payload)) || /custom_tool/.test(String(payload.type));
  return isHosted || open(payload) ? [] : [payload, open.errors];
}

function bodyDepartures(dialect: Dialect, body: JsonObject): unknown[] {
  if (dialect === 'chat') return departuresFromOpenAi('CreateChatCompletionResponse', body);
  if (dialect === 'messages') {
    const { message } = messagesSchemas('2026-10-21');
    return BETA_BLOCKS.test(JSON.stringify(body)) || message(body) ? [] : [body, message.errors];
  }
  const openAi = openAiResponsesSchemas().response;
  if (!openAi(body)) return [body, openAi.errors];
  const open = openResponsesSchemas().response;
  return HOSTED_ITEMS.test(JSON.stringify(body)) || open(body) ? [] : [body, open.errors];
}
