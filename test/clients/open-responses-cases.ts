import { describe, expect, it } from 'vitest';
import { openResponsesSchemas } from '../dialects/published-schemas.ts';
import { type ClientProduct, MODELS, PIXEL_BASE64 } from './client-product.ts';

interface Item {
  readonly type: string;
  readonly role?: string;
  readonly content?: readonly { readonly type: string; readonly text?: string }[];
  readonly name?: string;
  readonly arguments?: string;
}
interface Resource {
  readonly text?: { readonly format?: object };
  readonly status: string;
  readonly model: string;
  readonly output: readonly Item[];
}
interface StreamEvent {
  readonly type: string;
  readonly sequence_number: number;
  readonly item?: Item;
  readonly response?: Resource;
}

const message = (role: string, content: unknown): object => ({ type: 'message', role, content });
const weatherQuestion = {
  input: [message('user', "What's the weather like in San Francisco?")],
  tools: [
    {
      type: 'function',
      name: 'get_weather',
      description: 'Get the current weather for a location',
      parameters: { type: 'object', properties: { location: { type: 'string' } }, required: ['location'] },
    },
  ],
};

/** The situations of the public compliance suite, and what it asks of each answer. */
const SITUATIONS: readonly (readonly [string, object, string])[] = [
  ['a plain question', { input: [message('user', 'Say hello in exactly 3 words.')] }, 'message'],
  ['a bare string', { input: 'Count from 1 to 5.' }, 'message'],
  [
    'a system prompt',
    { input: [message('system', 'You are a pirate.'), message('user', 'Say hello.')] },
    'message',
  ],
  [
    'a developer prompt',
    { input: [message('developer', 'Be brief.'), message('user', 'Say hello.')] },
    'message',
  ],
  ['a tool to call', weatherQuestion, 'function_call'],
  [
    'the result of a tool',
    {
      ...weatherQuestion,
      input: [
        ...weatherQuestion.input,
        {
          type: 'function_call',
          call_id: 'call_1',
          name: 'get_weather',
          arguments: '{"location":"San Francisco"}',
        },
        { type: 'function_call_output', call_id: 'call_1', output: '{"celsius":18}' },
      ],
    },
    'message',
  ],
  [
    'an image',
    {
      input: [
        message('user', [
          { type: 'input_text', text: 'What do you see in this image?' },
          { type: 'input_image', image_url: `data:image/png;base64,${PIXEL_BASE64}` },
        ]),
      ],
    },
    'message',
  ],
  [
    'a conversation of several turns',
    {
      input: [
        message('user', 'My name is Alice.'),
        message('assistant', 'Hello Alice! How can I help you today?'),
        message('user', 'What is my name?'),
      ],
    },
    'message',
  ],
  [
    'a wish for reasoning',
    { input: [message('user', 'Think, then say hello.')], reasoning: { effort: 'low', summary: 'auto' } },
    'message',
  ],
  [
    'a schema of the answer',
    {
      input: [message('user', 'Name a city.')],
      text: {
        format: {
          type: 'json_schema',
          name: 'city',
          description: 'A city',
          strict: true,
          schema: {
            type: 'object',
            properties: { city: { type: 'string' } },
            required: ['city'],
            additionalProperties: false,
          },
        },
      },
    },
    'message',
  ],
];

/** What the Open Responses compliance suite checks, against the published schemas (needs CROSSMODEL_SHARED). */
export function openResponsesCases(current: () => ClientProduct): void {
  const post = (body: object): Promise<Response> =>
    fetch(`${current().v1}/responses`, {
      method: 'POST',
      headers: { authorization: `Bearer ${current().apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

  describe.each(Object.entries(MODELS))('Open Responses and a provider of the protocol %s', (_, model) => {
    it.each(SITUATIONS)('answers %s as the schema says', async (_name, request, type) => {
      const response = await post({ model, ...request });
      expect(response.status).toBe(200);
      const resource = (await response.json()) as Resource;
      expectResource(resource, model, type);
    });

    it.each(SITUATIONS)('streams the answer to %s as the schema says', async (_name, request, type) => {
      const response = await post({ model, stream: true, ...request });
      expect(response.headers.get('content-type')).toContain('text/event-stream');
      const events = eventsOf(await response.text());
      const { streamEvent } = openResponsesSchemas();
      for (const event of events.map(asPublished))
        expect([streamEvent(event), event, streamEvent.errors]).toEqual([true, event, null]);
      expect(events.map((event) => event.sequence_number)).toEqual(events.map((_event, index) => index));
      expect(events.slice(0, 2).map((event) => event.type)).toEqual([
        'response.created',
        'response.in_progress',
      ]);
      const last = events.at(-1);
      expect(last?.type).toBe('response.completed');
      if (!last?.response) throw new Error('The last event carries no response');
      expectResource(last.response, model, type);
      expectItems(events, last.response, type);
    });
  });
}

function expectResource(resource: Resource, model: string, type: string): void {
  const { response } = openResponsesSchemas();
  expect([response(withoutEchoedSchema(resource)), response.errors]).toEqual([true, null]);
  expect(resource).toMatchObject({ status: 'completed', model });
  expect(resource.output.map((item) => item.type)).toContain(type);
}

function asPublished(event: StreamEvent): StreamEvent {
  return event.response === undefined ? event : { ...event, response: withoutEchoedSchema(event.response) };
}

/** Of an output schema that is echoed the published schema allows `null` alone, and OpenAI's demands the object. */
function withoutEchoedSchema(resource: Resource): Resource {
  const format = resource.text?.format;
  if (format === undefined || !('schema' in format)) return resource;
  return { ...resource, text: { ...resource.text, format: { ...format, schema: null } } };
}

/** Every item is announced, told and closed as it stands in the end. */
function expectItems(events: readonly StreamEvent[], { output }: Resource, type: string): void {
  const of = (name: string) => events.filter((event) => event.type === name);
  expect(of('response.output_item.added').map((event) => event.item?.type)).toEqual(
    output.map((item) => item.type),
  );
  expect(of('response.output_item.done').map((event) => event.item)).toEqual(output);
  const told =
    type === 'function_call'
      ? ['response.function_call_arguments.delta', 'response.function_call_arguments.done']
      : ['response.content_part.added', 'response.output_text.delta', 'response.output_text.done'];
  for (const name of told) expect(of(name)).not.toEqual([]);
}

/** Each event in a frame of its own whose name is its type; `[DONE]` ends the stream. */
function eventsOf(body: string): StreamEvent[] {
  const frames = body.split('\n\n').filter((frame) => frame !== '');
  expect(frames.pop()).toBe('data: [DONE]');
  return frames.map((frame) => {
    const [, name, data = ''] = /^event: (.+)\ndata: (.+)$/.exec(frame) ?? [];
    const event = JSON.parse(data) as StreamEvent;
    expect(name).toBe(event.type);
    return event;
  });
}
