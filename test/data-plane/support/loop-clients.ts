import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { ChatCompletionStream } from 'openai/lib/ChatCompletionStream';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';

/** What one step of a loop came to, as the client saw it. */
export interface LoopAnswer {
  readonly calls: readonly { readonly id: string; readonly arguments: unknown }[];
  readonly text: string;
  readonly dropped: string | null;
}

/**
 * A client that keeps the conversation as users of its SDK do, and asks for the next step. The conversation is the last
 * field of its requests, so that one request is a prefix of the next.
 */
export interface LoopClient {
  /** Asks `model`, and takes the answer into the history. */
  next(model: string): Promise<LoopAnswer>;
  /** Answers all calls of the last step. */
  giveResults(results: readonly { readonly id: string; readonly output: string }[]): void;
  /** The user says something new. */
  say(text: string): void;
}

export type ClientName = 'chat' | 'chat that joins fields' | 'bare chat' | 'responses' | 'messages';

/** A gateway, as its clients know it. */
export interface LoopTarget {
  readonly url: string;
  readonly secret: string;
}

const QUESTION = 'What is the weather?';
const schema = { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } } };

export function openClient(
  gateway: LoopTarget,
  name: ClientName,
  stream: boolean,
  question = QUESTION,
): LoopClient {
  const client = clientNamed(gateway, name, stream);
  client.say(question);
  return client;
}

function clientNamed(gateway: LoopTarget, name: ClientName, stream: boolean): LoopClient {
  switch (name) {
    case 'chat':
      return new ChatLoop(gateway, stream, joinedBySdk, (message) => message);
    case 'chat that joins fields':
      return new ChatLoop(gateway, stream, joinedByHand, (message) => message);
    case 'bare chat':
      return new ChatLoop(gateway, stream, joinedBySdk, ({ role, content, tool_calls }) => ({
        role,
        content,
        ...(tool_calls === undefined ? {} : { tool_calls }),
      }));
    case 'responses':
      return new ResponsesLoop(gateway, stream);
    case 'messages':
      return new MessagesLoop(gateway, stream);
  }
}

type AssistantMessage = OpenAI.ChatCompletionMessage;
type Chunks = AsyncIterable<OpenAI.ChatCompletionChunk> & { toReadableStream(): ReadableStream };
type JoinChunks = (chunks: Chunks) => Promise<AssistantMessage | undefined>;

/** The SDK's own way: of a field that it does not know the last piece stays. */
async function joinedBySdk(chunks: Chunks): Promise<AssistantMessage | undefined> {
  const stream = ChatCompletionStream.fromReadableStream(chunks.toReadableStream());
  return (await stream.finalChatCompletion()).choices[0]?.message;
}

/** What clients do that know of reasoning: texts and lists grow, whatever they are called. */
async function joinedByHand(chunks: Chunks): Promise<AssistantMessage | undefined> {
  const message: JsonObject = {};
  const calls: JsonObject[] = [];
  for await (const chunk of chunks) {
    const { tool_calls = [], ...fields } = chunk.choices[0]?.delta ?? {};
    for (const { index, ...call } of tool_calls) calls[index] = grown(calls[index], call as JsonObject);
    Object.assign(message, grown(message, fields as JsonObject));
  }
  return { ...message, ...(calls.length === 0 ? {} : { tool_calls: calls }) } as unknown as AssistantMessage;
}

function grown(before: JsonObject | undefined, piece: JsonObject): JsonObject {
  const result: JsonObject = { ...before };
  for (const [name, value] of Object.entries(piece)) result[name] = grownValue(name, result[name], value);
  return result;
}

function grownValue(name: string, before: JsonValue | undefined, value: JsonValue): JsonValue {
  if (before === undefined || before === null) return value;
  if (typeof value === 'string' && typeof before === 'string')
    return name === 'role' || name === 'id' || name === 'type' ? value : before + value;
  if (Array.isArray(value) && Array.isArray(before)) return [...before, ...value];
  if (name === 'function') return grown(before as JsonObject, value as JsonObject);
  return value ?? before;
}

class ChatLoop implements LoopClient {
  readonly #client: OpenAI;
  readonly #stream: boolean;
  readonly #join: JoinChunks;
  readonly #echo: (message: AssistantMessage) => OpenAI.ChatCompletionAssistantMessageParam;
  readonly #messages: OpenAI.ChatCompletionMessageParam[] = [
    { role: 'system', content: 'You are a weather station.' },
  ];

  constructor(
    gateway: LoopTarget,
    stream: boolean,
    join: JoinChunks,
    echo: (message: AssistantMessage) => OpenAI.ChatCompletionAssistantMessageParam,
  ) {
    this.#client = new OpenAI({ apiKey: gateway.secret, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
    this.#stream = stream;
    this.#join = join;
    this.#echo = echo;
  }

  async next(model: string): Promise<LoopAnswer> {
    const request = {
      model,
      tools: [{ type: 'function' as const, function: { name: 'get_weather', parameters: schema } }],
      reasoning_effort: 'medium' as const,
      max_completion_tokens: 8_000,
      messages: this.#messages,
    };
    const { message, dropped } = this.#stream ? await this.#streamed(request) : await this.#whole(request);
    this.#messages.push(this.#echo(message));
    const calls = (message.tool_calls ?? []).flatMap((call) =>
      call.type === 'function'
        ? [{ id: call.id, arguments: JSON.parse(call.function.arguments) as unknown }]
        : [],
    );
    return { calls, text: message.content ?? '', dropped };
  }

  async #whole(
    request: OpenAI.ChatCompletionCreateParamsNonStreaming,
  ): Promise<{ message: AssistantMessage; dropped: string | null }> {
    const { data, response } = await this.#client.chat.completions.create(request).withResponse();
    const message = data.choices[0]?.message;
    if (message === undefined) throw new Error('No choice came');
    return { message, dropped: response.headers.get('x-crossmodel-dropped') };
  }

  async #streamed(
    request: Omit<OpenAI.ChatCompletionCreateParamsStreaming, 'stream'>,
  ): Promise<{ message: AssistantMessage; dropped: string | null }> {
    const { data, response } = await this.#client.chat.completions
      .create({ stream: true, ...request })
      .withResponse();
    const dropped = response.headers.get('x-crossmodel-dropped');
    const message = await this.#join(data);
    if (message === undefined) throw new Error('No choice came');
    return { message, dropped };
  }

  giveResults(results: readonly { readonly id: string; readonly output: string }[]): void {
    for (const { id, output } of results)
      this.#messages.push({ role: 'tool', tool_call_id: id, content: output });
  }

  say(text: string): void {
    this.#messages.push({ role: 'user', content: text });
  }
}

class ResponsesLoop implements LoopClient {
  readonly #client: OpenAI;
  readonly #stream: boolean;
  readonly #input: OpenAI.Responses.ResponseInputItem[] = [];

  constructor(gateway: LoopTarget, stream: boolean) {
    this.#client = new OpenAI({ apiKey: gateway.secret, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
    this.#stream = stream;
  }

  async next(model: string): Promise<LoopAnswer> {
    const request = {
      model,
      instructions: 'You are a weather station.',
      tools: [{ type: 'function' as const, name: 'get_weather', parameters: schema, strict: false }],
      reasoning: { effort: 'medium' as const, summary: 'auto' as const },
      include: ['reasoning.encrypted_content' as const],
      store: false,
      max_output_tokens: 8_000,
      input: this.#input,
    };
    const { response, dropped } = this.#stream ? await this.#streamed(request) : await this.#whole(request);
    this.#input.push(...(response.output as OpenAI.Responses.ResponseInputItem[]));
    const calls = response.output.flatMap((item) =>
      item.type === 'function_call'
        ? [{ id: item.call_id, arguments: JSON.parse(item.arguments) as unknown }]
        : [],
    );
    const texts = response.output.flatMap((item) =>
      item.type === 'message'
        ? item.content.map((part) => (part.type === 'output_text' ? part.text : ''))
        : [],
    );
    return { calls, text: texts.join(''), dropped };
  }

  async #whole(
    request: OpenAI.Responses.ResponseCreateParamsNonStreaming,
  ): Promise<{ response: OpenAI.Responses.Response; dropped: string | null }> {
    const { data, response } = await this.#client.responses.create(request).withResponse();
    return { response: data, dropped: response.headers.get('x-crossmodel-dropped') };
  }

  async #streamed(
    request: Omit<OpenAI.Responses.ResponseCreateParamsStreaming, 'stream'>,
  ): Promise<{ response: OpenAI.Responses.Response; dropped: string | null }> {
    const { data, response } = await this.#client.responses
      .create({ stream: true, ...request })
      .withResponse();
    for await (const event of data)
      if (event.type === 'response.completed')
        return { response: event.response, dropped: response.headers.get('x-crossmodel-dropped') };
    throw new Error('The stream did not complete');
  }

  giveResults(results: readonly { readonly id: string; readonly output: string }[]): void {
    for (const { id, output } of results)
      this.#input.push({ type: 'function_call_output', call_id: id, output });
  }

  say(text: string): void {
    this.#input.push({ role: 'user', content: text });
  }
}

class MessagesLoop implements LoopClient {
  readonly #client: Anthropic;
  readonly #stream: boolean;
  readonly #messages: Anthropic.MessageParam[] = [];

  constructor(gateway: LoopTarget, stream: boolean) {
    this.#client = new Anthropic({ apiKey: gateway.secret, baseURL: gateway.url, maxRetries: 0 });
    this.#stream = stream;
  }

  async next(model: string): Promise<LoopAnswer> {
    const request = {
      model,
      max_tokens: 8_000,
      system: 'You are a weather station.',
      tools: [{ name: 'get_weather', input_schema: { ...schema, type: 'object' as const } }],
      thinking: { type: 'enabled' as const, budget_tokens: 2_000 },
      messages: this.#messages,
    };
    let message: Anthropic.Message;
    let dropped: string | null;
    if (this.#stream) {
      const stream = this.#client.messages.stream({ stream: true, ...request });
      const { response } = await stream.withResponse();
      dropped = response.headers.get('x-crossmodel-dropped');
      message = await stream.finalMessage();
    } else {
      const { data, response } = await this.#client.messages
        .create({ stream: false, ...request })
        .withResponse();
      dropped = response.headers.get('x-crossmodel-dropped');
      message = data;
    }
    this.#messages.push({ role: 'assistant', content: message.content });
    const calls = message.content.flatMap((block) =>
      block.type === 'tool_use' ? [{ id: block.id, arguments: block.input }] : [],
    );
    const text = message.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
    return { calls, text, dropped };
  }

  giveResults(results: readonly { readonly id: string; readonly output: string }[]): void {
    if (results.length === 0) return;
    const content = results.map(({ id, output }) => ({
      type: 'tool_result' as const,
      tool_use_id: id,
      content: output,
    }));
    this.#messages.push({ role: 'user', content });
  }

  say(text: string): void {
    this.#messages.push({ role: 'user', content: text });
  }
}
