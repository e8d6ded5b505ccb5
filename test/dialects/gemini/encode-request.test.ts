import { describe, expect, it } from 'vitest';
import { chatClientCodec } from '#data-plane/dialects/chat/chat-codec.ts';
import { geminiProviderCodec } from '#data-plane/dialects/gemini/gemini-codec.ts';
import { objectsOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject, Part, TurnMessage, TurnRequest } from '#data-plane/dialects/turn.ts';
import type { TurnEvent } from '#data-plane/dialects/turn-event.ts';
import { isFault } from '#shared/fault.ts';
import { hasRecordings, playFrames, recordingsOf } from '#test/dialects/provider-recordings.ts';
import { compileGeminiSchema } from '#test/dialects/published-schemas.ts';

const LEVELS = { reasoningEfforts: ['minimal', 'low', 'medium', 'high'], thinkingBudget: false };
const BUDGETS = { reasoningEfforts: undefined, thinkingBudget: true };
const target = (capabilities: typeof LEVELS | typeof BUDGETS = LEVELS) => ({
  providerModel: 'gemini-x',
  vendor: 'gemini',
  maxOutputTokens: undefined,
  capabilities,
});

const turnOf = (messages: readonly TurnMessage[], more: Partial<TurnRequest> = {}): TurnRequest => ({
  stream: false,
  messages,
  tools: [],
  extras: {},
  ...more,
});
const text = (said: string): Part => ({ kind: 'text', text: said });
const user = (...parts: Part[]): TurnMessage => ({ role: 'user', parts });
const model = (...parts: Part[]): TurnMessage => ({ role: 'assistant', parts });
const call = (id: string, argumentsJson = '{}'): Part => ({
  kind: 'tool_call',
  id,
  name: `f_${id}`,
  argumentsJson,
});
const result = (callId: string, said: string, failed = false): Part => ({
  kind: 'tool_result',
  callId,
  content: [text(said)],
  failed,
});
const signed = (place: string, value: string, said = ''): Part => ({
  kind: 'reasoning',
  text: said,
  signature: { family: 'gemini', kind: place, value },
});

function encoded(turn: TurnRequest, capabilities?: typeof LEVELS | typeof BUDGETS) {
  const request = geminiProviderCodec.encodeRequest(turn, target(capabilities));
  if (isFault(request)) throw new Error(`${request.kind}: ${request.message}`);
  return request;
}

function contentsOf(turn: TurnRequest, capabilities?: typeof LEVELS | typeof BUDGETS): unknown {
  return encoded(turn, capabilities).body.contents;
}

const schemaCheck = hasRecordings ? compileGeminiSchema('GenerateContentRequest') : undefined;

function departures(body: JsonObject): string[] {
  if (schemaCheck === undefined || schemaCheck({ ...body, model: 'models/gemini-x' })) return [];
  return (schemaCheck.errors ?? []).map((error) => `${error.instancePath} ${error.message ?? ''}`);
}

const recorded = recordingsOf('openai-chat').flatMap(({ name, request }) =>
  request?.messages === undefined || request.tool_choice === 'any' ? [] : [{ name, request }],
);

describe.skipIf(!hasRecordings)('recorded chat requests (need CROSSMODEL_SHARED)', () => {
  it.each(recorded)('$name becomes a request of the published schema', ({ request }) => {
    const turn = chatClientCodec.decodeRequest(request);
    if (isFault(turn)) throw new Error(turn.message);
    const encodedTurn = geminiProviderCodec.encodeRequest(turn, target());
    if (isFault(encodedTurn)) {
      expect(encodedTurn).toMatchObject({ kind: 'unsupported_parameter', param: 'web_search_options' });
      return;
    }
    expect(departures(encodedTurn.body)).toEqual([]);
    const contents = objectsOf(encodedTurn.body.contents);
    contents.forEach((content, index) => {
      const calls = objectsOf(content.parts).filter((part) => 'functionCall' in part);
      if (calls.length === 0 || index === contents.length - 1) return;
      const responses = objectsOf(contents[index + 1]?.parts).filter((part) => 'functionResponse' in part);
      expect(responses).toHaveLength(calls.length);
    });
  });
});

describe('a request to Gemini', () => {
  it.each([
    [false, '/models/gemini-x:generateContent'],
    [true, '/models/gemini-x:streamGenerateContent?alt=sse'],
  ])('goes, streamed %s, to %s', (stream, path) => {
    expect(encoded(turnOf([user(text('x'))], { stream })).path).toBe(path);
  });

  it('keeps the model name inside its part of the path', () => {
    const request = geminiProviderCodec.encodeRequest(turnOf([user(text('x'))]), {
      ...target(),
      providerModel: '../x?a',
    });
    expect(request).toMatchObject({ path: '/models/..%2Fx%3Fa:generateContent' });
  });

  it('answers every call once, in the order of the calls, before anything else is said', () => {
    const turn = turnOf([
      user(text('go')),
      model(call('a'), call('b', '{"x":1}'), call('c')),
      user(text('and now'), result('b', 'B', true)),
      user(result('a', 'A'), result('z', 'Z')),
    ]);
    expect(contentsOf(turn, BUDGETS)).toEqual([
      { role: 'user', parts: [{ text: 'go' }] },
      {
        role: 'model',
        parts: [
          { functionCall: { id: 'a', name: 'f_a', args: {} } },
          { functionCall: { id: 'b', name: 'f_b', args: { x: 1 } } },
          { functionCall: { id: 'c', name: 'f_c', args: {} } },
        ],
      },
      {
        role: 'user',
        parts: [
          { functionResponse: { id: 'a', name: 'f_a', response: { output: 'A' } } },
          { functionResponse: { id: 'b', name: 'f_b', response: { error: 'B' } } },
          {
            functionResponse: { id: 'c', name: 'f_c', response: { error: 'The call was not carried out.' } },
          },
        ],
      },
      { role: 'user', parts: [{ text: 'Result of tool call z:\nZ' }, { text: 'and now' }] },
    ]);
  });

  it('never loses arguments that are no JSON object', () => {
    const turn = turnOf([user(text('go')), model(call('a', '{"x":'))]);
    expect(JSON.stringify(contentsOf(turn))).toContain(JSON.stringify({ arguments: '{"x":' }));
  });

  it('marks the first call of each step that no Gemini signed, where the model checks, the same in every request', () => {
    const turn = turnOf([
      user(text('old')),
      model(call('a')),
      user(result('a', 'A')),
      user(text('new')),
      model(call('b'), call('c')),
      user(result('b', 'B'), result('c', 'C')),
    ]);
    const marks = (capabilities: typeof LEVELS | typeof BUDGETS) =>
      JSON.stringify(contentsOf(turn, capabilities)).split('skip_thought_signature_validator').length - 1;
    expect(marks(LEVELS)).toBe(2);
    expect(marks(BUDGETS)).toBe(0);
  });

  it('puts every signature back where it stood', () => {
    const parts = [
      { text: 'Hm', thought: true, thoughtSignature: 's1' },
      { text: 'A' },
      { text: 'B', thoughtSignature: 's2' },
      { text: '', thoughtSignature: 's3' },
      { functionCall: { id: 'a', name: 'f', args: { x: 1 } }, thoughtSignature: 's4' },
      { executableCode: { code: '1' }, thoughtSignature: 's5' },
    ];
    const answer = { responseId: 'r', candidates: [{ content: { parts }, finishReason: 'STOP' }] };
    const turn = turnOf([
      user(text('x')),
      { role: 'assistant', parts: partsOf(playFrames(geminiProviderCodec, [answer])) },
    ]);
    const written = contentsOf(turn);
    expect(written).toEqual([expect.anything(), { role: 'model', parts }]);
  });

  it('signs the text behind a thought that its client put in front', () => {
    const turn = turnOf([user(text('x')), model(signed('on_text', 's'), text('A'))]);
    expect(contentsOf(turn)).toEqual([
      expect.anything(),
      { role: 'model', parts: [{ text: 'A', thoughtSignature: 's' }] },
    ]);
  });

  it('drops the signatures of others and says so', () => {
    const foreign: Part = {
      kind: 'reasoning',
      text: '',
      signature: { family: 'messages', kind: 'redacted', value: 'v' },
    };
    const { body, dropped } = encoded(turnOf([user(text('x')), model(foreign, text('y'))]));
    expect(JSON.stringify(body)).not.toContain('"v"');
    expect(dropped).toEqual(['messages[1].content[0]']);
  });

  it.each([
    [{ effort: 'low' }, LEVELS, { thinkingLevel: 'LOW', includeThoughts: true }],
    [{ effort: 'max' }, LEVELS, { thinkingLevel: 'HIGH', includeThoughts: true }],
    [{ effort: 'none' }, LEVELS, { thinkingLevel: 'MINIMAL' }],
    [{ budgetTokens: 9_000 }, LEVELS, { thinkingLevel: 'MEDIUM', includeThoughts: true }],
    [{ budgetTokens: 9_000 }, BUDGETS, { thinkingBudget: 9_000, includeThoughts: true }],
    [{ effort: 'medium' }, BUDGETS, { thinkingBudget: 8_192, includeThoughts: true }],
    [{ mode: 'disabled' as const }, BUDGETS, { thinkingBudget: 0 }],
    [{ mode: 'adaptive' as const }, BUDGETS, { thinkingBudget: -1, includeThoughts: true }],
  ])('thinks for %o in the words of the model', (reasoning, capabilities, thinkingConfig) => {
    expect(encoded(turnOf([user(text('x'))], { reasoning }), capabilities).body.generationConfig).toEqual({
      thinkingConfig,
    });
  });

  it('asks no thoughts of a model that does not reason', () => {
    const turn = turnOf([user(text('x'))], { reasoning: { effort: 'high' } });
    const plain = { ...target(), capabilities: { ...LEVELS, reasoning: false } };
    const request = geminiProviderCodec.encodeRequest(turn, plain);
    expect(request).toMatchObject({ dropped: ['reasoning.effort'] });
    expect(request).not.toHaveProperty('body.generationConfig');
  });

  it('asks for JSON in words where functions are declared, else by its field', () => {
    const format = { kind: 'json_schema', schema: { type: 'object' } } as const;
    const tools = [{ kind: 'function', name: 'f', parameters: { type: 'object', $schema: 'x' } } as const];
    expect(encoded(turnOf([user(text('x'))], { format })).body.generationConfig).toEqual({
      responseMimeType: 'application/json',
      responseJsonSchema: { type: 'object' },
    });
    const { body } = encoded(
      turnOf([user(text('x'))], { format, tools, toolChoice: { kind: 'tool', name: 'f' } }),
    );
    expect(body.generationConfig).toBeUndefined();
    expect(JSON.stringify(body.systemInstruction)).toContain('JSON Schema');
    expect(body.tools).toEqual([
      {
        functionDeclarations: [
          { name: 'f', description: '', parametersJsonSchema: { type: 'object', $schema: 'x' } },
        ],
      },
    ]);
    expect(body.toolConfig).toEqual({ functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f'] } });
  });

  it('searches for a client that offers nothing but a search', () => {
    const search = { kind: 'server', family: 'responses', type: 'web_search', value: {} } as const;
    expect(encoded(turnOf([user(text('x'))], { tools: [search] })).body.tools).toEqual([
      { googleSearch: {} },
    ]);
    const f = { kind: 'function', name: 'f' } as const;
    expect(encoded(turnOf([user(text('x'))], { tools: [search, f] })).dropped).toEqual(['tools[0]']);
  });

  it('says a later system message in the turn of the user', () => {
    const turn = turnOf([
      { role: 'system', parts: [text('first')] },
      user(text('x')),
      { role: 'system', parts: [text('later')] },
    ]);
    expect(encoded(turn).body).toMatchObject({
      systemInstruction: { parts: [{ text: 'first' }] },
      contents: [{ role: 'user', parts: [{ text: 'x' }, { text: '<system>\nlater\n</system>' }] }],
    });
  });

  it('reports what it cannot say', () => {
    const { dropped } = encoded(
      turnOf([user(text('x'))], {
        parallelToolCalls: false,
        endUser: 'u',
        seed: 2 ** 40,
        extras: { store: false },
      }),
    );
    expect(dropped).toEqual(['seed', 'parallel_tool_calls', 'user', 'store']);
  });

  it('refuses a file that another provider stored, naming its place', () => {
    const file: Part = {
      kind: 'media',
      media: 'document',
      source: { kind: 'file_id', id: 'f', family: 'chat' },
    };
    expect(geminiProviderCodec.encodeRequest(turnOf([user(file)]), target())).toMatchObject({
      kind: 'unsupported_parameter',
      param: 'messages[0].content[0]',
    });
  });
});

/** An answer as the history that a lossless client would return. */
function partsOf(events: readonly TurnEvent[]): Part[] {
  const parts: Part[] = [];
  for (const event of events) {
    const last = parts.at(-1);
    if (event.kind === 'part_start' && event.part === 'tool_call') {
      const { callId: id, name, signature } = event;
      parts.push({
        kind: 'tool_call',
        id,
        name,
        argumentsJson: '',
        ...(signature === undefined ? {} : { signature }),
      });
    } else if (event.kind === 'part_start') parts.push({ kind: event.part, text: '' });
    else if (event.kind === 'native_part')
      parts.push({ kind: 'native', family: event.family, value: event.value });
    else if (event.kind === 'part_delta' && last?.kind === 'tool_call')
      parts[parts.length - 1] = { ...last, argumentsJson: last.argumentsJson + event.text };
    else if (event.kind === 'part_delta' && (last?.kind === 'text' || last?.kind === 'reasoning'))
      parts[parts.length - 1] = { ...last, text: last.text + event.text };
    else if (event.kind === 'part_signature' && last?.kind === 'reasoning')
      parts[parts.length - 1] = { ...last, signature: event.signature };
  }
  return parts;
}
