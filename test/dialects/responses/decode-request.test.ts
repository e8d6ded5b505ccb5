import { describe, expect, it } from 'vitest';
import { objectsOf } from '#data-plane/dialects/json-access.ts';
import { responsesClient, responsesProvider } from '#data-plane/dialects/responses/responses-codec.ts';
import { packCallId, packSignature } from '#data-plane/dialects/signature-envelope.ts';
import type { JsonObject, ProviderSignature, TurnRequest } from '#data-plane/dialects/turn.ts';
import { isFault } from '#shared/fault.ts';
import { hasRecordings, recordingsOf } from '#test/dialects/provider-recordings.ts';
import { openAiResponsesSchemas } from '#test/dialects/published-schemas.ts';
import { unplaced } from '#test/dialects/unplaced-turn.ts';

const target = {
  providerModel: 'gpt-x',
  vendor: 'openai',
  maxOutputTokens: undefined,
  capabilities: { reasoningEfforts: undefined, thinkingBudget: false },
};

function decode(body: JsonObject): TurnRequest {
  const turn = responsesClient.decodeRequest(body);
  if (isFault(turn)) throw new Error(`${turn.kind} ${turn.param}: ${turn.message}`);
  return unplaced(turn);
}

function encode(turn: TurnRequest): JsonObject {
  const encoded = responsesProvider.encodeRequest(turn, target);
  if (isFault(encoded)) throw new Error(`${encoded.kind} ${encoded.param}: ${encoded.message}`);
  return encoded.body;
}

const thought: ProviderSignature = { family: 'messages', kind: 'thinking', value: 'Eq==' };

describe('a Responses request', () => {
  it('becomes a turn', () => {
    expect(
      decode({
        model: 'm',
        instructions: 'Be brief.',
        input: [
          { role: 'developer', content: 'Dev.' },
          {
            type: 'message',
            role: 'user',
            content: [
              { type: 'input_text', text: 'See' },
              { type: 'input_image', image_url: 'data:image/png;base64,AA==', detail: 'low' },
              { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,BB==' },
              { type: 'input_file', file_url: 'https://example.com/b.pdf' },
            ],
          },
          {
            type: 'reasoning',
            id: 'rs_1',
            summary: [
              { type: 'summary_text', text: 'A' },
              { type: 'summary_text', text: 'B' },
            ],
            encrypted_content: 'gA',
          },
          {
            role: 'assistant',
            content: [{ type: 'output_text', text: 'Ok', annotations: [] }],
            phase: 'commentary',
          },
          { type: 'function_call', call_id: 'c1', name: 'f', arguments: '{}' },
          { type: 'custom_tool_call', call_id: 'c2', name: 'p', input: 'x' },
          {
            type: 'function_call_output',
            call_id: 'c1',
            output: [{ type: 'input_image', image_url: 'https://example.com/i.png' }],
          },
          { type: 'custom_tool_call_output', call_id: 'c2', output: 'done' },
        ],
        reasoning: { effort: 'low', summary: 'auto', mode: 'pro' },
        text: {
          format: { type: 'json_schema', name: 'n', schema: { type: 'object' }, strict: true },
          verbosity: 'low',
        },
        safety_identifier: 'sid',
        user: 'legacy',
        include: ['reasoning.encrypted_content', 'web_search_call.results'],
        top_logprobs: 3,
        stream: true,
        store: true,
        client_metadata: { a: 'b' },
        metadata: null,
      }),
    ).toEqual({
      stream: true,
      messages: [
        { role: 'system', parts: [{ kind: 'text', text: 'Be brief.' }] },
        { role: 'developer', parts: [{ kind: 'text', text: 'Dev.' }] },
        {
          role: 'user',
          parts: [
            { kind: 'text', text: 'See' },
            {
              kind: 'media',
              media: 'image',
              source: { kind: 'base64', mediaType: 'image/png', data: 'AA==' },
              detail: 'low',
            },
            {
              kind: 'media',
              media: 'document',
              source: { kind: 'base64', mediaType: 'application/pdf', data: 'BB==' },
              filename: 'a.pdf',
            },
            { kind: 'media', media: 'document', source: { kind: 'url', url: 'https://example.com/b.pdf' } },
          ],
        },
        {
          role: 'assistant',
          parts: [
            { kind: 'reasoning', text: 'A', summary: true },
            {
              kind: 'reasoning',
              text: 'B',
              summary: true,
              signature: expect.objectContaining({ family: 'responses', kind: 'item' }),
            },
            { kind: 'text', text: 'Ok', phase: 'commentary' },
            { kind: 'tool_call', id: 'c1', name: 'f', argumentsJson: '{}' },
            { kind: 'tool_call', id: 'c2', name: 'p', argumentsJson: 'x', custom: true },
          ],
        },
        {
          role: 'user',
          parts: [
            {
              kind: 'tool_result',
              callId: 'c1',
              name: 'f',
              failed: false,
              content: [
                { kind: 'media', media: 'image', source: { kind: 'url', url: 'https://example.com/i.png' } },
              ],
            },
            {
              kind: 'tool_result',
              callId: 'c2',
              name: 'p',
              failed: false,
              custom: true,
              content: [{ kind: 'text', text: 'done' }],
            },
          ],
        },
      ],
      tools: [],
      reasoning: { effort: 'low', summary: 'auto' },
      format: { kind: 'json_schema', name: 'n', schema: { type: 'object' }, strict: true },
      verbosity: 'low',
      endUser: 'sid',
      logprobs: { top: 3 },
      extras: {
        store: true,
        client_metadata: { a: 'b' },
        include: ['web_search_call.results'],
        'reasoning.mode': 'pro',
        user: 'legacy',
      },
    });
  });

  it.each([
    ['previous_response_id', 'resp_1'],
    ['conversation', 'conv_1'],
    ['conversation', { id: 'conv_1' }],
    ['background', true],
    ['prompt', { id: 'pmpt_1' }],
  ])('%s is refused by name: nothing is stored here', (name, value) => {
    expect(responsesClient.decodeRequest({ input: 'x', [name]: value })).toMatchObject({
      kind: 'unsupported_responses_feature',
      param: name,
    });
  });

  it('what asks for no state is accepted', () => {
    const turn = decode({
      input: 'x',
      previous_response_id: null,
      conversation: null,
      background: false,
      prompt: null,
      store: false,
      truncation: 'disabled',
    });
    expect(turn.extras).toEqual({});
  });

  it.each<[string, JsonObject, string, string]>([
    [
      'a stored item',
      { input: [{ type: 'item_reference', id: 'fc_1' }] },
      'unsupported_responses_feature',
      'input[0]',
    ],
    [
      'a stored item without a type',
      { input: [{ id: 'fc_1' }] },
      'unsupported_responses_feature',
      'input[0]',
    ],
    ['an item without a type', { input: [{ text: 'x' }] }, 'invalid_messages', 'input[0].type'],
    [
      'an unknown role',
      { input: [{ role: 'tool', content: 'x' }] },
      'unsupported_message_role',
      'input[0].role',
    ],
    [
      'a content of a wrong type',
      { input: [{ role: 'user', content: 5 }] },
      'invalid_messages',
      'input[0].content',
    ],
    [
      'an unknown content part',
      { input: [{ role: 'user', content: [{ type: 'smell' }] }] },
      'invalid_messages',
      'input[0].content[0].type',
    ],
    ['an item that is no object', { input: [7] }, 'invalid_messages', 'input[0]'],
    [
      'an output without its call',
      { input: [{ type: 'function_call_output', call_id: 'c9', output: '' }] },
      'tool_call_id_mismatch',
      'input[0].call_id',
    ],
    ['no input', {}, 'invalid_messages', 'input'],
    [
      'an unknown effort',
      { input: 'x', reasoning: { effort: 'huge' } },
      'unsupported_parameter',
      'reasoning.effort',
    ],
    [
      'a tool without a name',
      { input: 'x', tools: [{ type: 'function' }] },
      'invalid_request',
      'tools[0].name',
    ],
    ['a number for a text', { input: 'x', instructions: 5 }, 'invalid_request', 'instructions'],
    ['a broken limit', { input: 'x', max_output_tokens: 1.5 }, 'invalid_request', 'max_output_tokens'],
    [
      'an unknown choice of tools',
      { input: 'x', tool_choice: 'maybe' },
      'unsupported_parameter',
      'tool_choice',
    ],
    [
      'a format without a schema',
      { input: 'x', text: { format: { type: 'json_schema' } } },
      'invalid_request',
      'text.format.schema',
    ],
  ])('%s is refused', (_, body, kind, param) => {
    expect(responsesClient.decodeRequest(body)).toMatchObject({ kind, param });
  });

  it('takes signatures out of their envelopes', () => {
    const turn = decode({
      input: [
        {
          type: 'reasoning',
          id: 'rs_1',
          summary: [{ type: 'summary_text', text: 'Hm' }],
          encrypted_content: packSignature(thought),
        },
        { type: 'function_call', call_id: packCallId('c1', thought), name: 'f', arguments: '' },
        { type: 'function_call_output', call_id: packCallId('c1', thought), output: 'x' },
      ],
    });
    expect(turn.messages).toEqual([
      {
        role: 'assistant',
        parts: [
          { kind: 'reasoning', text: 'Hm', signature: thought },
          { kind: 'tool_call', id: 'c1', name: 'f', argumentsJson: '', signature: thought },
        ],
      },
      {
        role: 'user',
        parts: [
          {
            kind: 'tool_result',
            callId: 'c1',
            name: 'f',
            content: [{ kind: 'text', text: 'x' }],
            failed: false,
          },
        ],
      },
    ]);
  });

  it('gives tools in a namespace one name, and back their own', () => {
    const tools = [
      {
        type: 'namespace',
        name: 'agents',
        description: 'Agents.',
        tools: [
          {
            type: 'function',
            name: 'close',
            description: 'd',
            parameters: { type: 'object' },
            strict: false,
          },
          { type: 'custom', name: 'say' },
        ],
      },
      { type: 'function', name: 'close', parameters: { type: 'object' }, strict: true },
      { type: 'web_search', external_web_access: true },
    ];
    const turn = decode({
      tools,
      input: [{ type: 'function_call', call_id: 'c', namespace: 'agents', name: 'close', arguments: '{}' }],
    });
    expect(turn.tools.map((tool) => (tool.kind === 'server' ? tool.type : tool.name))).toEqual([
      'agents__close',
      'agents__say',
      'close',
      'web_search',
    ]);
    const body = encode(turn);
    expect(body.tools).toEqual(tools);
    expect(objectsOf(body.input)[0]).toMatchObject({ namespace: 'agents', name: 'close' });
  });

  it('a choice among allowed tools leaves out the others', () => {
    const turn = decode({
      input: 'x',
      tools: [{ type: 'function', name: 'a' }, { type: 'function', name: 'b' }, { type: 'web_search' }],
      tool_choice: {
        type: 'allowed_tools',
        mode: 'required',
        tools: [{ type: 'function', name: 'b' }, { type: 'web_search' }],
      },
    });
    expect(turn.tools.map((tool) => (tool.kind === 'server' ? tool.type : tool.name))).toEqual([
      'b',
      'web_search',
    ]);
    expect(turn.toolChoice).toEqual({ kind: 'required' });
  });
});

describe.skipIf(!hasRecordings)('recorded Responses requests (needs CROSSMODEL_SHARED)', () => {
  const refusals: Readonly<Record<string, string>> = {
    'clients/v13-vercel-ai-sdk-v6-item-reference': 'unsupported_responses_feature',
    'openai-responses/v08-json-prevresp': 'unsupported_responses_feature',
  };
  const requests = recordingsOf('openai-responses').flatMap(({ name, request }) =>
    request === undefined ? [] : [{ name, request }],
  );
  const validate = hasRecordings ? openAiResponsesSchemas().createRequest : undefined;

  it('are all there', () => {
    expect(requests.length).toBeGreaterThanOrEqual(24);
  });

  it.each(requests.filter(({ name }) => name in refusals))('$name is refused', ({ name, request }) => {
    expect(responsesClient.decodeRequest(request)).toMatchObject({ kind: refusals[name] });
  });

  it.each(requests.filter(({ name }) => !(name in refusals)))(
    '$name survives the way through the turn',
    ({ request }) => {
      const turn = decode(request);
      const body = encode(turn);
      // One provider takes reasoning without an id, which the published schema does not.
      if (validate?.(request) === true || request.model !== 'grok-4.3')
        expect(validate?.(body) === true ? 'valid' : validate?.errors?.slice(0, 9)).toBe('valid');
      // Written once more from what was written, nothing changes any more.
      expect(decode(body)).toEqual({ ...turn, extras: decode(body).extras, tools: decode(body).tools });
      expect(encode(decode(body))).toEqual(body);
      const items = (value: JsonObject) => objectsOf(value.input);
      const reasoning = (value: JsonObject) => items(value).filter(({ type }) => type === 'reasoning');
      expect(JSON.stringify(reasoning(body))).toBe(JSON.stringify(reasoning(request)));
      for (const field of [
        'instructions',
        'temperature',
        'max_output_tokens',
        'prompt_cache_key',
        'text',
        'tool_choice',
      ])
        if (request[field] !== undefined && JSON.stringify(request[field]) !== '{"format":{"type":"text"}}')
          expect(body[field]).toEqual(request[field]);
      expect(body).toMatchObject({
        store: false,
        include: expect.arrayContaining(['reasoning.encrypted_content']),
      });
    },
  );
});
