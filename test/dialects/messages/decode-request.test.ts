import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isJsonObject, objectsOf } from '#data-plane/dialects/json-access.ts';
import { decodeCountRequest } from '#data-plane/dialects/messages/decode-request.ts';
import { encodeAnthropicFault } from '#data-plane/dialects/messages/faults.ts';
import { MESSAGES_CLIENT } from '#data-plane/dialects/messages/messages-codec.ts';
import { packCallId, packSignature } from '#data-plane/dialects/signature-envelope.ts';
import type { JsonObject, JsonValue, TurnRequest } from '#data-plane/dialects/turn.ts';
import { type Fault, isFault } from '#shared/fault.ts';
import { hasRecordings, recordingsOf } from '#test/dialects/provider-recordings.ts';
import { unplaced } from '#test/dialects/unplaced-turn.ts';

const { decodeRequest } = MESSAGES_CLIENT;
const requests = recordingsOf('anthropic-messages').flatMap(({ name, request }) =>
  request === undefined || name.includes('count-tokens') ? [] : [{ name, request }],
);

function turnOf(fields: JsonObject): TurnRequest {
  const turn = decodeRequest({ max_tokens: 10, messages: [{ role: 'user', content: 'Hi' }], ...fields });
  if (isFault(turn)) throw new Error(JSON.stringify(turn));
  return unplaced(turn);
}

function faultOf(fields: JsonObject): Fault {
  const turn = decodeRequest({ max_tokens: 10, messages: [{ role: 'user', content: 'Hi' }], ...fields });
  if (!isFault(turn)) throw new Error('The request was taken.');
  return turn;
}

const partsOf = (role: string, content: JsonValue, before: JsonValue[] = []) =>
  turnOf({ messages: [...before, { role, content }] }).messages.at(-1)?.parts;
const CALL = {
  role: 'assistant',
  content: [{ type: 'tool_use', id: 'toolu_1', name: 'look', input: { a: 1 } }],
};

describe.skipIf(!hasRecordings)('a recorded Messages request (needs the shared material)', () => {
  it.each(requests)('$name is understood, nothing of its conversation is lost', ({ request }) => {
    const turn = decodeRequest(request);
    if (isFault(turn)) throw new Error(JSON.stringify(turn));
    const sent = objectsOf(request.messages);
    const conversation = turn.messages.slice(-sent.length);
    expect(conversation.map(({ role }) => role)).toEqual(sent.map(({ role }) => role));
    const counts = sent.map(({ content }) => (Array.isArray(content) ? content.length : 1));
    expect(conversation.map(({ parts }) => parts.length)).toEqual(counts);
    expect(turn.tools).toHaveLength(objectsOf(request.tools).length + objectsOf(request.mcp_servers).length);
    expect(turn.maxOutputTokens).toBe(request.max_tokens);
    expect(turn.stream).toBe(request.stream ?? false);
  });
});

describe('a Messages request', () => {
  it("of Claude Code's first turn becomes a turn, its agent fields become extras", () => {
    const turn = turnOf({
      model: 'claude',
      max_tokens: 32_000,
      stream: true,
      system: [{ type: 'text', text: 'You are an agent.', cache_control: { type: 'ephemeral' } }],
      messages: [
        {
          role: 'user',
          content: [{ type: 'text', text: 'Hi', cache_control: { type: 'ephemeral', ttl: '1h' } }],
        },
        { role: 'system', content: 'The date changed.' },
      ],
      tools: [{ name: 'Bash', description: 'Runs', input_schema: { type: 'object' }, defer_loading: true }],
      thinking: { type: 'adaptive' },
      output_config: { effort: 'high' },
      context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] },
      metadata: { user_id: 'u-1' },
    });
    expect({ ...turn, extras: { ...turn.extras } }).toEqual({
      stream: true,
      maxOutputTokens: 32_000,
      messages: [
        { role: 'system', parts: [{ kind: 'text', text: 'You are an agent.', cache: { ttl: '5m' } }] },
        { role: 'user', parts: [{ kind: 'text', text: 'Hi', cache: { ttl: '1h' } }] },
        { role: 'system', parts: [{ kind: 'text', text: 'The date changed.' }] },
      ],
      tools: [{ kind: 'function', name: 'Bash', description: 'Runs', parameters: { type: 'object' } }],
      reasoning: { mode: 'adaptive', effort: 'high', summary: 'auto' },
      endUser: 'u-1',
      extras: {
        context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] },
        'tools[0].defer_loading': true,
      },
    });
  });

  it('returns reasoning state to the issuer that its envelope names', () => {
    const foreign = { family: 'responses', kind: 'encrypted', value: 'gAAAA.b' } as const;
    const parts = partsOf('assistant', [
      { type: 'thinking', thinking: 'Hm', signature: 'EqAB==' },
      { type: 'thinking', thinking: 'Hm', signature: packSignature(foreign) },
      { type: 'thinking', thinking: 'Hm', signature: '' },
      { type: 'redacted_thinking', data: 'Ev' },
      { type: 'redacted_thinking', data: packSignature(foreign) },
    ]);
    expect(parts).toEqual([
      { kind: 'reasoning', text: 'Hm', signature: { family: 'messages', kind: 'thinking', value: 'EqAB==' } },
      { kind: 'reasoning', text: 'Hm', signature: foreign },
      { kind: 'reasoning', text: 'Hm' },
      { kind: 'reasoning', text: '', signature: { family: 'messages', kind: 'redacted', value: 'Ev' } },
      { kind: 'reasoning', text: '', signature: foreign },
    ]);
  });

  it('opens packed call ids, in the call and in its result', () => {
    const signature = { family: 'gemini', kind: 'thought', value: 'Ci+/=' } as const;
    const id = packCallId('call_9', signature);
    const turn = turnOf({
      messages: [
        { role: 'assistant', content: [{ type: 'tool_use', id, name: 'look', input: {} }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: 'seen' }] },
      ],
    });
    expect(turn.messages.map(({ parts }) => parts[0])).toEqual([
      { kind: 'tool_call', id: 'call_9', name: 'look', argumentsJson: '{}', signature },
      {
        kind: 'tool_result',
        callId: 'call_9',
        name: 'look',
        content: [{ kind: 'text', text: 'seen' }],
        failed: false,
      },
    ]);
  });

  it('keeps images, documents and errors of tool results', () => {
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBO' } };
    const result = { type: 'tool_result', tool_use_id: 'toolu_1', is_error: true, content: [image] };
    expect(partsOf('user', [result], [CALL])).toEqual([
      {
        kind: 'tool_result',
        callId: 'toolu_1',
        name: 'look',
        content: [
          { kind: 'media', media: 'image', source: { kind: 'base64', mediaType: 'image/png', data: 'iVBO' } },
        ],
        failed: true,
      },
    ]);
  });

  it('reads every kind of document', () => {
    const document = (source: JsonObject) => partsOf('user', [{ type: 'document', title: 'T', source }]);
    const pdf = { type: 'base64', media_type: 'application/pdf', data: 'JVBE' };
    expect(document(pdf)).toMatchObject([{ media: 'document', title: 'T', source: { kind: 'base64' } }]);
    expect(document({ type: 'text', media_type: 'text/plain', data: 'words' })).toMatchObject([
      { source: { kind: 'text', text: 'words' } },
    ]);
    expect(document({ type: 'url', url: 'https://example.org/a.pdf' })).toMatchObject([
      { source: { kind: 'url', url: 'https://example.org/a.pdf' } },
    ]);
    expect(document({ type: 'file', file_id: 'file_1' })).toMatchObject([
      { source: { kind: 'file_id', id: 'file_1', family: 'messages' } },
    ]);
    const pieces = [
      { type: 'text', text: 'one' },
      { type: 'image', source: { type: 'url', url: 'https://example.org/a.png' } },
      { type: 'text', text: 'two' },
    ];
    expect(document({ type: 'content', content: pieces })).toMatchObject([
      { media: 'document', title: 'T', source: { kind: 'text', text: 'one\n\ntwo' } },
      { media: 'image', source: { kind: 'url' } },
    ]);
    const found = {
      type: 'search_result',
      source: 'https://example.org',
      title: 'T',
      content: [{ type: 'text', text: 'hit' }],
    };
    expect(partsOf('user', [found])).toMatchObject([
      { media: 'document', title: 'T', source: { kind: 'text', text: 'https://example.org\n\nhit' } },
    ]);
  });

  it('keeps blocks that only this protocol knows for this protocol', () => {
    const block = { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'q' } };
    expect(partsOf('assistant', [block])).toEqual([{ kind: 'native', family: 'messages', value: block }]);
  });

  it('tells server tools, MCP servers and functions apart', () => {
    const search = { type: 'web_search_20250305', name: 'web_search', max_uses: 2 };
    const server = { type: 'url', name: 'docs', url: 'https://example.org/mcp' };
    const turn = turnOf({
      tools: [search, { name: 'f', input_schema: { type: 'object' } }],
      mcp_servers: [server],
    });
    expect(turn.tools).toEqual([
      { kind: 'server', family: 'messages', type: 'web_search_20250305', value: search },
      { kind: 'function', name: 'f', parameters: { type: 'object' } },
      { kind: 'server', family: 'messages', type: 'mcp_server', value: server },
    ]);
  });

  it.each<[JsonObject, object]>([
    [{ type: 'auto' }, { toolChoice: { kind: 'auto' } }],
    [
      { type: 'any', disable_parallel_tool_use: true },
      { toolChoice: { kind: 'required' }, parallelToolCalls: false },
    ],
    [{ type: 'tool', name: 'f' }, { toolChoice: { kind: 'tool', name: 'f' } }],
    [{ type: 'none' }, { toolChoice: { kind: 'none' } }],
  ])('with the tool choice %o says %o', (tool_choice, expected) => {
    expect(turnOf({ tool_choice })).toMatchObject(expected);
  });

  it.each<[JsonObject, JsonObject | undefined]>([
    [
      { thinking: { type: 'enabled', budget_tokens: 2048 } },
      { mode: 'enabled', budgetTokens: 2048, summary: 'auto' },
    ],
    [{ thinking: { type: 'adaptive', display: 'omitted' } }, { mode: 'adaptive', summary: 'none' }],
    [{ thinking: { type: 'disabled' }, output_config: { effort: 'low' } }, { mode: 'disabled' }],
    [{ output_config: { effort: 'xhigh' } }, { effort: 'xhigh' }],
    [{ thinking: null, output_config: { effort: null } }, undefined],
  ])('with %o asks for the reasoning %o', (fields, reasoning) => {
    expect(turnOf(fields).reasoning).toEqual(reasoning);
  });

  it('reads an output schema under its new and its old name', () => {
    const format = { type: 'json_schema', schema: { type: 'object' } };
    const expected = { kind: 'json_schema', schema: { type: 'object' }, strict: true };
    expect(turnOf({ output_config: { format } }).format).toEqual(expected);
    expect(turnOf({ output_format: format }).format).toEqual(expected);
  });

  it('carries its sampling, its stop sequences and its tier', () => {
    const fields = { temperature: 0.2, top_p: 0.9, top_k: 5, stop_sequences: ['x'], service_tier: 'auto' };
    const expected = { temperature: 0.2, topP: 0.9, topK: 5, stopSequences: ['x'], serviceTier: 'auto' };
    expect(turnOf(fields)).toMatchObject(expected);
  });

  it('to count tokens needs no limit, to answer it does', () => {
    const body = { messages: [{ role: 'user', content: 'Hi' }] };
    expect(isFault(decodeCountRequest(body))).toBe(false);
    expect(decodeRequest(body)).toMatchObject({ kind: 'invalid_request', param: 'max_tokens' });
  });

  it('with a thread is refused in the way that makes SDKs send the whole history', () => {
    const refused = faultOf({ thread: { type: 'create' } });
    expect(refused).toMatchObject({ kind: 'unsupported_parameter', param: 'thread' });
    expect(JSON.parse(encodeAnthropicFault(refused, 'req_1').toString())).toEqual({
      type: 'error',
      error: {
        type: 'invalid_request_error',
        message: expect.any(String),
        details: { error_code: 'thread_unsupported_request' },
      },
      request_id: 'req_1',
    });
    expect(turnOf({ thread: null }).extras).toEqual({});
  });

  it.each<[string, JsonObject, string, string]>([
    ['no messages', { messages: [] }, 'invalid_messages', 'messages'],
    ['messages that are no list', { messages: 'Hi' }, 'invalid_messages', 'messages'],
    ['a message that is no object', { messages: ['Hi'] }, 'invalid_messages', 'messages[0]'],
    [
      'an unknown role',
      { messages: [{ role: 'tool', content: 'x' }] },
      'unsupported_message_role',
      'messages[0].role',
    ],
    [
      'content of a wrong type',
      { messages: [{ role: 'user', content: 1 }] },
      'invalid_messages',
      'messages[0].content',
    ],
    [
      'a text block without text',
      { messages: [{ role: 'user', content: [{ type: 'text' }] }] },
      'invalid_messages',
      'messages[0].content[0].text',
    ],
    [
      'a result without its call',
      { messages: [{ role: 'user', content: [{ type: 'tool_result', tool_use_id: 'x' }] }] },
      'tool_call_id_mismatch',
      'messages[0].content[0].tool_use_id',
    ],
    [
      'a call in a user message',
      { messages: [{ role: 'user', content: [{ type: 'tool_use', id: 'x', name: 'f', input: {} }] }] },
      'invalid_messages',
      'messages[0].content[0]',
    ],
    [
      'call input that is no object',
      { messages: [{ role: 'assistant', content: [{ type: 'tool_use', id: 'x', name: 'f', input: 'no' }] }] },
      'invalid_messages',
      'messages[0].content[0].input',
    ],
    [
      'an unknown image source',
      { messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'ftp' } }] }] },
      'invalid_messages',
      'messages[0].content[0].source.type',
    ],
    ['a limit of zero', { max_tokens: 0 }, 'invalid_request', 'max_tokens'],
    ['a temperature that is no number', { temperature: 'hot' }, 'invalid_request', 'temperature'],
    ['a tool without a name', { tools: [{ input_schema: {} }] }, 'invalid_request', 'tools[0].name'],
    ['an unknown tool choice', { tool_choice: { type: 'maybe' } }, 'invalid_request', 'tool_choice.type'],
    [
      'thinking without a budget',
      { thinking: { type: 'enabled' } },
      'invalid_request',
      'thinking.budget_tokens',
    ],
    ['stop sequences of a wrong type', { stop_sequences: ['a', 1] }, 'invalid_request', 'stop_sequences'],
    ['a stream flag of a wrong type', { stream: 'yes' }, 'invalid_request', 'stream'],
  ])('with %s is refused, naming the field', (_what, fields, kind, param) => {
    expect(faultOf(fields)).toMatchObject({ kind, param });
  });

  it('of any JSON at all is a turn or a fault', () => {
    const names = [
      'messages',
      'system',
      'tools',
      'tool_choice',
      'thinking',
      'output_config',
      'metadata',
      'mcp_servers',
    ];
    const anyBody = fc.dictionary(
      fc.constantFrom(...names, 'max_tokens', 'extra', '__proto__'),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(anyBody, (body) => {
        const parsed: unknown = JSON.parse(JSON.stringify(body));
        if (isJsonObject(parsed)) expect(outcome(parsed)).toMatch(/turn|fault/);
      }),
      { seed: 20_261_121, numRuns: 500 },
    );
  });

  it.runIf(hasRecordings)('of a real client with any value in any place is a turn or a fault', () => {
    const real = requests.filter(({ request }) => JSON.stringify(request).length < 20_000);
    fc.assert(
      fc.property(fc.constantFrom(...real), fc.nat(), fc.jsonValue(), ({ request }, place, value) => {
        const mutated = replaceAt(request, place, JSON.parse(JSON.stringify(value)));
        if (isJsonObject(mutated)) expect(outcome(mutated)).toMatch(/turn|fault/);
      }),
      { seed: 20_261_121, numRuns: 500 },
    );
  });
});

function outcome(body: JsonObject): string {
  const turn = decodeRequest(body);
  return isFault(turn) ? 'fault' : 'turn';
}

/** Replaces the value at one place of a JSON value, counted in document order. */
function replaceAt(root: JsonValue, place: number, value: JsonValue): JsonValue {
  let count = 0;
  const walk = (node: JsonValue): number =>
    1 +
    (typeof node === 'object' && node !== null
      ? Object.values(node).reduce<number>((sum, child) => sum + walk(child), 0)
      : 0);
  const goal = place % walk(root);
  const copy = (node: JsonValue): JsonValue => {
    count += 1;
    if (count - 1 === goal) return value;
    if (Array.isArray(node)) return node.map(copy);
    if (!isJsonObject(node)) return node;
    return Object.fromEntries(Object.entries(node).map(([name, child]) => [name, copy(child)]));
  };
  return copy(root);
}
