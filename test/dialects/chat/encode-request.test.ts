import { describe, expect, it } from 'vitest';
import { encodeChatRequest } from '#data-plane/dialects/chat/encode-request.ts';
import { objectsOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject, TurnRequest } from '#data-plane/dialects/turn.ts';
import { ask, decoded, encoded, target, user } from './chat-requests.ts';

describe('a chat request for a vendor', () => {
  const tool = { type: 'function', function: { name: 'f', parameters: {}, strict: true } };
  it.each([
    ['openai', { max_tokens: 5 }, { max_completion_tokens: 5 }],
    ['deepseek', { max_completion_tokens: 5 }, { max_tokens: 5 }],
    ['mistral', { seed: 7, stream: true }, { random_seed: 7, stream: true }],
    ['openai', { stream: true }, { stream_options: { include_usage: true } }],
    ['mistral', { tools: [tool], tool_choice: 'required' }, { tool_choice: 'any' }],
    ['moonshot', { reasoning_effort: 'none' }, { thinking: { type: 'disabled' } }],
    ['qwen', { reasoning_effort: 'high' }, { enable_thinking: true, thinking_budget: 24_576 }],
    ['openrouter', { reasoning_effort: 'low' }, { reasoning: { effort: 'low' } }],
    ['openai', { reasoning_effort: 'none' }, { reasoning_effort: 'none' }],
    ['z-ai', { user: 'u' }, { user_id: 'u' }],
    ['minimax', {}, { reasoning_split: true }],
    ['openai', { user: 'a', safety_identifier: 'b', store: true }, { safety_identifier: 'b', store: true }],
  ])('%s gets %o as %o', (vendor, given, expected) => {
    expect(encoded(decoded(ask([user('x')], given as JsonObject)), vendor).body).toMatchObject(expected);
  });

  it('sends a developer message as system where the vendor has no such role', () => {
    const turn = decoded(ask([{ role: 'developer', content: 'd' }, user('x')]));
    expect(encoded(turn, 'deepseek').body.messages).toMatchObject([{ role: 'system' }, { role: 'user' }]);
    expect(encoded(turn, 'openai').body.messages).toMatchObject([{ role: 'developer' }, { role: 'user' }]);
  });

  it('asks for a schema in words where the vendor knows JSON mode only', () => {
    const schema = { type: 'object', properties: { a: { type: 'string' } } };
    const format = { type: 'json_schema', json_schema: { name: 'n', schema, strict: true } };
    const { body } = encoded(decoded(ask([user('x')], { response_format: format })), 'deepseek');
    expect(body.response_format).toEqual({ type: 'json_object' });
    expect(body.messages).toMatchObject([
      { role: 'system', content: expect.stringContaining(JSON.stringify(schema)) },
      {},
    ]);
  });

  it('refuses what would change the meaning, naming the field', () => {
    const turn = decoded(ask([user('x')], { logprobs: true }));
    expect(encodeChatRequest(turn, target('groq'))).toMatchObject({
      kind: 'unsupported_parameter',
      param: 'logprobs',
    });
  });

  it('gives Mistral call ids of nine letters and digits, the same in call and result', () => {
    const call = { id: 'toolu_01ABC', type: 'function', function: { name: 'f', arguments: '{}' } };
    const messages = [
      user('x'),
      { role: 'assistant', content: '', tool_calls: [call] },
      { role: 'tool', tool_call_id: 'toolu_01ABC', content: 'y' },
    ];
    const written = objectsOf(encoded(decoded(ask(messages)), 'mistral').body.messages);
    const [called] = objectsOf(written[1]?.tool_calls);
    const id = called?.id;
    expect(id).toMatch(/^[a-zA-Z0-9]{9}$/);
    expect(written[2]?.tool_call_id).toBe(id);
  });

  it('shows images that a tool returned behind all results, and marks a failed one', () => {
    const image = {
      kind: 'media',
      media: 'image',
      source: { kind: 'url', url: 'https://a.example/i.png' },
    } as const;
    const turn: TurnRequest = {
      stream: false,
      tools: [],
      extras: {},
      messages: [
        { role: 'assistant', parts: [{ kind: 'tool_call', id: 'a', name: 'f', argumentsJson: '' }] },
        {
          role: 'user',
          parts: [
            { kind: 'text', text: 'look' },
            {
              kind: 'tool_result',
              callId: 'a',
              content: [{ kind: 'text', text: 'no' }, image],
              failed: true,
            },
          ],
        },
      ],
    };
    expect(encoded(turn, 'openai').body.messages).toEqual([
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'a', content: 'Error: no' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Content that tool call a returned:' },
          { type: 'image_url', image_url: { url: 'https://a.example/i.png' } },
          { type: 'text', text: 'look' },
        ],
      },
    ]);
  });

  it('leaves out sampling where the model takes none, and metadata that nothing would be stored with', () => {
    const turn = decoded(
      ask([user('x')], { temperature: 0.5, top_p: 1, metadata: { a: 'b' }, user: 'u'.repeat(65) }),
    );
    const fixed = {
      ...target('openai'),
      capabilities: { ...target('openai').capabilities, temperature: false },
    };
    expect(encodeChatRequest(turn, fixed)).toMatchObject({
      body: { safety_identifier: expect.stringMatching(/^[0-9a-f]{64}$/) },
      dropped: ['temperature', 'metadata'],
    });
    expect(encoded(turn, 'openai').body).toMatchObject({ temperature: 0.5, top_p: 1 });
  });

  it('asks no thoughts of a model that does not reason, and the least of one that always does', () => {
    const thinking = decoded(ask([user('x')], { reasoning_effort: 'high' }));
    const quiet = decoded(ask([user('x')], { reasoning_effort: 'none' }));
    const plain = {
      ...target('openai'),
      capabilities: { reasoningEfforts: undefined, thinkingBudget: false, reasoning: false },
    };
    const eager = {
      ...target('openai'),
      capabilities: { reasoningEfforts: ['medium', 'high'], thinkingBudget: false },
    };
    const plainRequest = encodeChatRequest(thinking, plain);
    expect(plainRequest).toMatchObject({ dropped: ['reasoning.effort'] });
    expect(plainRequest).not.toHaveProperty('body.reasoning_effort');
    expect(encodeChatRequest(quiet, eager)).toMatchObject({ body: { reasoning_effort: 'medium' } });
  });

  it('leaves out search tools that agents always offer and refuses other server tools', () => {
    const offered = (type: string): TurnRequest => ({
      stream: false,
      messages: [{ role: 'user', parts: [{ kind: 'text', text: 'x' }] }],
      tools: [{ kind: 'server', family: 'responses', type, value: { type } }],
      extras: {},
    });
    expect(encoded(offered('web_search'), 'openai').dropped).toEqual(['tools[0]']);
    expect(encodeChatRequest(offered('code_interpreter'), target('openai'))).toMatchObject({
      kind: 'unsupported_parameter',
      param: 'tools[0]',
    });
  });
});
