import { z } from 'zod';
import type { JsonSchema, OutputFormat, ToolChoice, TurnRequest } from '../turn.ts';
import { invalidRequest, type WireError } from '../wire-error.ts';
import { findForeignItem, readInput, readInstructions, responsesInput } from './read-input.ts';

/** What the wire cares about and the turn does not. */
export interface ResponsesWriting {
  readonly showSummary: boolean;
  readonly includeEncryptedReasoning: boolean;
  /** Members of the response object that repeat the request, with their defaults. */
  readonly echo: object;
}

export interface ResponsesRequest {
  readonly turn: TurnRequest;
  readonly stream: boolean;
  readonly writing: ResponsesWriting;
}

const MIN_OUTPUT_TOKENS = 16;
const DEFAULT_EFFORT = 'medium';

const jsonSchema = z.union([z.boolean(), z.record(z.string(), z.json())]);
const requestSchema = z.looseObject({
  model: z.string().min(1),
  input: responsesInput,
  instructions: z.string().nullish(),
  stream: z.boolean().nullish(),
  include: z.array(z.string()).nullish(),
  max_output_tokens: z.int().min(MIN_OUTPUT_TOKENS).nullish(),
  max_tool_calls: z.int().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  previous_response_id: z.string().nullish(),
  prompt_cache_key: z.string().nullish(),
  reasoning: z
    .looseObject({
      effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']).nullish(),
      summary: z.enum(['auto', 'concise', 'detailed']).nullish(),
    })
    .nullish(),
  safety_identifier: z.string().nullish(),
  store: z.boolean().nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  text: z
    .looseObject({
      format: z
        .looseObject({
          type: z.enum(['text', 'json_object', 'json_schema']),
          name: z.string().optional(),
          schema: jsonSchema.optional(),
        })
        .nullish(),
      verbosity: z.enum(['low', 'medium', 'high']).nullish(),
    })
    .nullish(),
  tool_choice: z
    .union([
      z.enum(['none', 'auto', 'required']),
      z.looseObject({
        type: z.string(),
        name: z.string().optional(),
        mode: z.enum(['auto', 'required']).optional(),
        tools: z.array(z.looseObject({ name: z.string().optional() })).optional(),
      }),
    ])
    .nullish(),
  tools: z
    .array(
      z.looseObject({
        type: z.string(),
        name: z.string().optional(),
        description: z.string().nullish(),
        parameters: jsonSchema.nullish(),
      }),
    )
    .nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  truncation: z.enum(['auto', 'disabled']).nullish(),
});
type ResponsesBody = z.infer<typeof requestSchema>;

/** Reads the body of `POST /responses`, or says what is wrong with it in the words of the protocol. */
export function readResponsesRequest(body: unknown): ResponsesRequest | WireError {
  const parsed = requestSchema.safeParse(body);
  if (!parsed.success) return invalidRequest(parsed.error);
  const sent = parsed.data;
  const fault = findUnknownResponse(sent) ?? findForeignItem(sent.input);
  if (fault !== undefined) return fault;
  return {
    turn: {
      model: sent.model,
      messages: [...readInstructions(sent.instructions ?? ''), ...readInput(sent.input)],
      tools: readTools(sent),
      toolChoice: readToolChoice(sent),
      parallelToolCalls: sent.parallel_tool_calls ?? true,
      outputLimitTokens: sent.max_output_tokens ?? null,
      stopSequences: [],
      answerCount: 1,
      format: readFormat(sent),
      reasoningEffort: effortOf(sent),
      caching: 'automatic',
    },
    stream: sent.stream ?? false,
    writing: {
      showSummary: (sent.reasoning?.summary ?? null) !== null,
      includeEncryptedReasoning: sent.include?.includes('reasoning.encrypted_content') ?? false,
      echo: echoOf(sent),
    },
  };
}

/** Nothing is stored here, so no earlier answer can be gone on from. */
function findUnknownResponse({ previous_response_id: id }: ResponsesBody): WireError | undefined {
  if (id === undefined || id === null) return undefined;
  return {
    status: 400,
    code: 'previous_response_not_found',
    param: 'previous_response_id',
    message: `Previous response with id '${id}' not found.`,
  };
}

/** Only functions can be called; the other kinds of tools are taken and left alone. */
function readTools({ tools, tool_choice: choice }: ResponsesBody): TurnRequest['tools'] {
  const allowed =
    typeof choice === 'object' && choice?.type === 'allowed_tools'
      ? new Set(choice.tools?.map((tool) => tool.name))
      : undefined;
  return (tools ?? []).flatMap(({ type, name, description, parameters }) =>
    type !== 'function' || name === undefined || allowed?.has(name) === false
      ? []
      : [
          {
            name,
            description: description ?? '',
            parameters: (parameters ?? { type: 'object', properties: {} }) as JsonSchema,
          },
        ],
  );
}

function readToolChoice({ tool_choice: choice }: ResponsesBody): ToolChoice {
  if (typeof choice === 'string') return choice;
  if (choice?.type === 'function') return { name: choice.name ?? '' };
  return choice?.mode ?? 'auto';
}

function readFormat({ text }: ResponsesBody): OutputFormat {
  switch (text?.format?.type) {
    case 'json_object':
      return { kind: 'json' };
    case 'json_schema':
      return { kind: 'json_schema', schema: (text.format.schema ?? {}) as JsonSchema };
    default:
      return { kind: 'text' };
  }
}

/** Who asks for a summary wants reasoning. */
function effortOf({ reasoning }: ResponsesBody): string | null {
  return reasoning?.effort ?? (reasoning?.summary ? DEFAULT_EFFORT : null);
}

function echoOf(sent: ResponsesBody): object {
  const format = sent.text?.format ?? { type: 'text' };
  return {
    background: false,
    frequency_penalty: 0,
    instructions: sent.instructions ?? null,
    max_output_tokens: sent.max_output_tokens ?? null,
    max_tool_calls: sent.max_tool_calls ?? null,
    metadata: sent.metadata ?? {},
    parallel_tool_calls: sent.parallel_tool_calls ?? true,
    presence_penalty: 0,
    previous_response_id: null,
    prompt_cache_key: sent.prompt_cache_key ?? null,
    reasoning: { effort: effortOf(sent), summary: sent.reasoning?.summary ?? null },
    safety_identifier: sent.safety_identifier ?? null,
    service_tier: 'default',
    store: sent.store ?? true,
    temperature: sent.temperature ?? 1,
    text: { format, verbosity: sent.text?.verbosity ?? 'medium' },
    tool_choice: sent.tool_choice ?? 'auto',
    tools: (sent.tools ?? []).map((tool) =>
      tool.type === 'function' ? { description: null, parameters: null, strict: true, ...tool } : tool,
    ),
    top_logprobs: 0,
    top_p: sent.top_p ?? 1,
    truncation: sent.truncation ?? 'disabled',
  };
}
