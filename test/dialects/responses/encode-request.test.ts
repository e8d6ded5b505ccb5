import { describe, expect, it } from 'vitest';
import type { EncodedRequest, ProviderTarget } from '#data-plane/dialects/codec.ts';
import { objectsOf } from '#data-plane/dialects/json-access.ts';
import { responsesProvider } from '#data-plane/dialects/responses/responses-codec.ts';
import type { JsonObject, Part, ProviderSignature, Tool, TurnRequest } from '#data-plane/dialects/turn.ts';
import { isFault } from '#shared/fault.ts';
import { hasRecordings } from '#test/dialects/provider-recordings.ts';
import { openAiResponsesSchemas } from '#test/dialects/published-schemas.ts';

const target: ProviderTarget = {
  providerModel: 'gpt-x',
  vendor: 'openai',
  maxOutputTokens: undefined,
  capabilities: { reasoningEfforts: ['low', 'medium', 'high'], thinkingBudget: false, reasoning: true },
};
const plain: ProviderTarget = {
  ...target,
  capabilities: { reasoningEfforts: undefined, thinkingBudget: false, reasoning: false },
};

function turn(more: Partial<TurnRequest> = {}): TurnRequest {
  return {
    stream: true,
    messages: [{ role: 'user', parts: [{ kind: 'text', text: 'Hi' }] }],
    tools: [],
    extras: {},
    ...more,
  };
}

function encode(request: TurnRequest, to: ProviderTarget = target): EncodedRequest {
  const encoded = responsesProvider.encodeRequest(request, to);
  if (isFault(encoded)) throw new Error(`${encoded.kind} ${encoded.param}: ${encoded.message}`);
  return encoded;
}

function encodeParts(role: 'user' | 'assistant', ...parts: Part[]): EncodedRequest {
  return encode(turn({ messages: [{ role, parts }] }));
}

const item = { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'gAAA', status: null };
const own: ProviderSignature = { family: 'responses', kind: 'item', value: JSON.stringify(item) };
const foreign: ProviderSignature = { family: 'messages', kind: 'thinking', value: 'Eq' };

describe('a turn for a Responses provider', () => {
  it('is stored nowhere and asks for encrypted reasoning', () => {
    const { body, path, dropped } = encode(turn({ logprobs: { top: 2 } }));
    expect(path).toBe('/responses');
    expect(dropped).toEqual([]);
    expect(body).toEqual({
      model: 'gpt-x',
      input: [{ type: 'message', role: 'user', content: 'Hi' }],
      stream: true,
      store: false,
      top_logprobs: 2,
      include: ['reasoning.encrypted_content', 'message.output_text.logprobs'],
    });
    expect(encode(turn(), plain).body.include).toBeUndefined();
  });

  it('returns its own reasoning item as it came, and no foreign one', () => {
    const { body, dropped } = encodeParts(
      'assistant',
      { kind: 'reasoning', text: 'A', summary: true },
      { kind: 'reasoning', text: 'B', summary: true, signature: own },
      { kind: 'reasoning', text: 'C', signature: foreign },
      { kind: 'reasoning', text: 'D' },
      { kind: 'text', text: 'Ok' },
      { kind: 'tool_call', id: 'c1', name: 'f', argumentsJson: '', signature: foreign },
    );
    expect(JSON.stringify(objectsOf(body.input)[0])).toBe(own.value);
    expect(objectsOf(body.input).slice(1)).toEqual([
      { type: 'message', role: 'assistant', content: 'Ok' },
      { type: 'function_call', call_id: 'c1', name: 'f', arguments: '{}' },
    ]);
    expect(dropped).toEqual(['messages[0].content[2]', 'messages[0].content[3]', 'messages[0].content[5]']);
  });

  it('says that a tool failed, keeps its images and the order of everything', () => {
    const image = {
      kind: 'media',
      media: 'image',
      source: { kind: 'base64', mediaType: 'image/png', data: 'AA' },
    } as const;
    const { body } = encodeParts(
      'user',
      { kind: 'tool_result', callId: 'c1', failed: true, content: [{ kind: 'text', text: 'no file' }] },
      {
        kind: 'tool_result',
        callId: 'x'.repeat(80),
        failed: false,
        content: [{ kind: 'text', text: 'see' }, image],
      },
      { kind: 'tool_result', callId: 'c3', failed: true, content: [] },
      { kind: 'text', text: 'Next' },
    );
    expect(body.input).toEqual([
      { type: 'function_call_output', call_id: 'c1', output: 'Error: no file' },
      {
        type: 'function_call_output',
        call_id: expect.stringMatching(/^[0-9a-f]{64}$/),
        output: [
          { type: 'input_text', text: 'see' },
          { type: 'input_image', image_url: 'data:image/png;base64,AA', detail: 'auto' },
        ],
      },
      { type: 'function_call_output', call_id: 'c3', output: 'Error:' },
      { type: 'message', role: 'user', content: 'Next' },
    ]);
  });

  it.each<[string, Partial<TurnRequest>, JsonObject]>([
    ['an effort that the model knows', { reasoning: { effort: 'low' } }, { effort: 'low' }],
    ['a stronger one', { reasoning: { effort: 'max' } }, { effort: 'high' }],
    ['a weaker one', { reasoning: { effort: 'none' } }, { effort: 'low' }],
    [
      'thinking with a budget',
      { reasoning: { mode: 'enabled', budgetTokens: 10_000 } },
      { effort: 'medium', summary: 'auto' },
    ],
    ['adaptive thinking', { reasoning: { mode: 'adaptive' } }, { summary: 'auto' }],
    ['no thinking', { reasoning: { mode: 'disabled' } }, { effort: 'low' }],
  ])('%s', (_, more, reasoning) => {
    expect(encode(turn(more)).body.reasoning).toEqual(reasoning);
  });

  it('leaves reasoning out where the model does not reason, and says so', () => {
    const { body, dropped } = encode(turn({ reasoning: { effort: 'low', mode: 'adaptive' } }), plain);
    expect(body.reasoning).toBeUndefined();
    expect(dropped).toEqual(['reasoning.effort', 'reasoning.mode']);
  });

  it('leaves sampling out where the model takes none', () => {
    const strict = { ...target, capabilities: { ...target.capabilities, temperature: false } };
    const { body, dropped } = encode(turn({ temperature: 0.2, topP: 1 }), strict);
    expect(body).not.toHaveProperty('temperature');
    expect(dropped).toEqual(['temperature']);
  });

  it('reports what has no word here', () => {
    const request = turn({
      topK: 5,
      seed: 1,
      presencePenalty: 0.5,
      frequencyPenalty: 0,
      choiceCount: 1,
      serviceTier: 'batch',
      metadata: { a: 'b', c: 3 },
      messages: [{ role: 'user', name: 'Ann', parts: [{ kind: 'text', text: 'Hi', cache: { ttl: '5m' } }] }],
      extras: {
        client_metadata: {},
        context_management: { edits: [] },
        truncation: 'auto',
        modalities: ['text'],
      },
    });
    const { body, dropped } = encode(request);
    expect([...dropped].sort()).toEqual([
      'cache_control',
      'client_metadata',
      'context_management',
      'messages[0]',
      'metadata',
      'presence_penalty',
      'seed',
      'service_tier',
      'top_k',
    ]);
    expect(body).toMatchObject({ truncation: 'auto', metadata: { a: 'b' } });
  });

  const media = (kind: 'audio' | 'video'): Partial<TurnRequest> => ({
    messages: [
      {
        role: 'user',
        parts: [{ kind: 'media', media: kind, source: { kind: 'url', url: 'https://example.com' } }],
      },
    ],
  });
  const server = (type: string): Tool => ({
    kind: 'server',
    family: 'messages',
    type,
    value: { type, name: type },
  });
  it.each<[string, Partial<TurnRequest>, string]>([
    ['stop sequences', { stopSequences: ['x'] }, 'stop'],
    ['several answers', { choiceCount: 2 }, 'n'],
    ['audio', media('audio'), 'messages[0].content[0]'],
    ['video', media('video'), 'messages[0].content[0]'],
    ['a tool of another provider', { tools: [server('code_execution_20250825')] }, 'tools[0]'],
    ['a stored container', { extras: { container: 'c' } }, 'container'],
    ['spoken answers', { extras: { modalities: ['audio'] } }, 'modalities'],
  ])('refuses %s by name', (_, more, param) => {
    expect(responsesProvider.encodeRequest(turn(more), target)).toMatchObject({
      kind: 'unsupported_parameter',
      param,
    });
  });

  it('asks for a web search in its own words', () => {
    const search: Tool = {
      kind: 'server',
      family: 'messages',
      type: 'web_search_20250305',
      value: { type: 'web_search_20250305', name: 'web_search', max_uses: 3, allowed_domains: ['a.org'] },
    };
    const { body, dropped } = encode(
      turn({ tools: [search], toolChoice: { kind: 'tool', name: 'web_search' } }),
    );
    expect(body).toMatchObject({
      tools: [{ type: 'web_search', filters: { allowed_domains: ['a.org'] } }],
      tool_choice: 'required',
    });
    expect(dropped).toEqual(['tools[0].max_uses']);
    const chat = encode(turn({ extras: { web_search_options: { search_context_size: 'low' } } }));
    expect(chat.body.tools).toEqual([{ type: 'web_search', search_context_size: 'low' }]);
  });

  it('writes the first system prompt as instructions and leaves later ones in place', () => {
    const { body } = encode(
      turn({
        messages: [
          { role: 'system', parts: [{ kind: 'text', text: 'One' }] },
          { role: 'user', parts: [{ kind: 'text', text: 'Hi' }] },
          { role: 'system', parts: [{ kind: 'text', text: 'Two' }] },
        ],
      }),
    );
    expect(body).toMatchObject({
      instructions: 'One',
      input: [
        { role: 'user', content: 'Hi' },
        { role: 'system', content: 'Two' },
      ],
    });
  });

  it('shortens an end user that is too long, always to the same', () => {
    const { body } = encode(turn({ endUser: 'u'.repeat(100) }));
    expect(body.safety_identifier).toMatch(/^[0-9a-f]{64}$/);
    expect(encode(turn({ endUser: 'u'.repeat(100) })).body).toEqual(body);
    expect(encode(turn({ endUser: 'ann' })).body.safety_identifier).toBe('ann');
  });

  it.skipIf(!hasRecordings)('is what the published schema asks for (needs CROSSMODEL_SHARED)', () => {
    const { createRequest } = openAiResponsesSchemas();
    const { body } = encode(
      turn({
        tools: [
          { kind: 'function', name: 'f' },
          { kind: 'custom', name: 'p', description: 'd' },
          { kind: 'function', name: 'ns__g', namespace: { name: 'ns', toolName: 'g' } },
        ],
        toolChoice: { kind: 'tool', name: 'f' },
        parallelToolCalls: false,
        maxOutputTokens: 1,
        format: { kind: 'json_schema', schema: { type: 'object' } },
        reasoning: { effort: 'high' },
        messages: [
          {
            role: 'user',
            parts: [{ kind: 'media', media: 'document', source: { kind: 'text', text: 'T' } }],
          },
          { role: 'assistant', parts: [{ kind: 'tool_call', id: 'c', name: 'ns__g', argumentsJson: '{}' }] },
          { role: 'user', parts: [{ kind: 'tool_result', callId: 'c', content: [], failed: false }] },
        ],
      }),
    );
    expect(createRequest(body) ? 'valid' : createRequest.errors).toBe('valid');
    expect(objectsOf(body.input)[1]).toMatchObject({ name: 'g', namespace: 'ns' });
  });
});
