import { z } from 'zod';
import type { JsonObject, JsonSchema, OfferedTool, OutputFormat, TurnRequest } from '../turn.ts';
import { invalidRequest, type WireError } from '../wire-error.ts';
import { findUnknownField, toJsonSchema } from './openapi-schema.ts';
import {
  conversationContent,
  findContentFault,
  instructionContent,
  readContents,
  readInstructions,
} from './read-contents.ts';

export interface GeminiRequest {
  readonly turn: TurnRequest;
  readonly showThoughts: boolean;
}

const MAX_CANDIDATES = 8;
const MAX_STOP_SEQUENCES = 5;
const OWN_CHOICE_BUDGET = -1;
/** The largest budget in tokens that counts as an effort; above all of them it is `high`. */
const EFFORTS_BY_BUDGET: readonly (readonly [number, string])[] = [
  [512, 'minimal'],
  [4096, 'low'],
  [16_384, 'medium'],
];

const openApiSchema = z.record(z.string(), z.json());
const jsonSchema = z.union([z.boolean(), openApiSchema]);
const functionDeclaration = z.looseObject({
  name: z.string().min(1),
  description: z.string().nullish(),
  parameters: openApiSchema.nullish(),
  parametersJsonSchema: jsonSchema.nullish(),
});
const generationConfig = z.looseObject({
  candidateCount: z.int().min(1).max(MAX_CANDIDATES).nullish(),
  maxOutputTokens: z.int().min(1).nullish(),
  stopSequences: z.array(z.string()).max(MAX_STOP_SEQUENCES).nullish(),
  responseMimeType: z.enum(['text/plain', 'application/json']).nullish(),
  responseSchema: openApiSchema.nullish(),
  responseJsonSchema: jsonSchema.nullish(),
  thinkingConfig: z
    .looseObject({
      includeThoughts: z.boolean().nullish(),
      thinkingBudget: z.int().min(OWN_CHOICE_BUDGET).nullish(),
      thinkingLevel: z
        .enum(['MINIMAL', 'LOW', 'MEDIUM', 'HIGH', 'minimal', 'low', 'medium', 'high'])
        .nullish(),
    })
    .nullish(),
});
const requestSchema = z.looseObject({
  contents: z.array(conversationContent).min(1),
  systemInstruction: instructionContent.nullish(),
  tools: z.array(z.looseObject({ functionDeclarations: z.array(functionDeclaration).nullish() })).nullish(),
  toolConfig: z
    .looseObject({
      functionCallingConfig: z
        .looseObject({
          mode: z.enum(['MODE_UNSPECIFIED', 'AUTO', 'ANY', 'NONE', 'VALIDATED']).nullish(),
          allowedFunctionNames: z.array(z.string()).nullish(),
        })
        .nullish(),
    })
    .nullish(),
  generationConfig: generationConfig.nullish(),
});
type GeminiBody = z.infer<typeof requestSchema>;
type GenerationConfig = z.infer<typeof generationConfig>;

const countSchema = z.union([
  z.looseObject({ generateContentRequest: requestSchema }),
  requestSchema.transform((generateContentRequest) => ({ generateContentRequest })),
]);

/** Reads the body of `generateContent` and of its streaming twin, or says what is wrong with it. */
export function readGenerateContentRequest(model: string, body: unknown): GeminiRequest | WireError {
  const parsed = requestSchema.safeParse(body);
  if (!parsed.success) return invalidRequest(parsed.error);
  const sent = parsed.data;
  const fault =
    findContentFault(sent.contents) ?? findToolFault(sent) ?? findConfigFault(sent.generationConfig ?? {});
  if (fault !== undefined) return fault;
  const showThoughts = sent.generationConfig?.thinkingConfig?.includeThoughts ?? false;
  return { turn: readTurn(model, sent), showThoughts };
}

/** Reads the body of `countTokens`: contents alone, or a whole request. */
export function readCountTokensRequest(model: string, body: unknown): TurnRequest | WireError {
  const parsed = countSchema.safeParse(body);
  return parsed.success ? readTurn(model, parsed.data.generateContentRequest) : invalidRequest(parsed.error);
}

function readTurn(model: string, sent: GeminiBody): TurnRequest {
  const config = sent.generationConfig ?? {};
  const choice = sent.toolConfig?.functionCallingConfig;
  const allowed = choice?.allowedFunctionNames ?? [];
  const tools = readTools(sent);
  return {
    model,
    messages: [...readInstructions(sent.systemInstruction?.parts ?? []), ...readContents(sent.contents)],
    tools: allowed.length === 0 ? tools : tools.filter((tool) => allowed.includes(tool.name)),
    toolChoice: choice?.mode === 'ANY' ? 'required' : choice?.mode === 'NONE' ? 'none' : 'auto',
    parallelToolCalls: true,
    outputLimitTokens: config.maxOutputTokens ?? null,
    stopSequences: config.stopSequences ?? [],
    answerCount: config.candidateCount ?? 1,
    format: readFormat(config),
    reasoningEffort: readEffort(config.thinkingConfig),
    caching: 'automatic',
  };
}

function declarationsOf(sent: GeminiBody) {
  return (sent.tools ?? []).flatMap((tool) => tool.functionDeclarations ?? []);
}

function readTools(sent: GeminiBody): OfferedTool[] {
  return declarationsOf(sent).map(({ name, description, parameters, parametersJsonSchema }) => ({
    name,
    description: description ?? '',
    parameters: schemaOf(parameters, parametersJsonSchema) ?? { type: 'object', properties: {} },
  }));
}

function schemaOf(
  openApi: z.infer<typeof openApiSchema> | null | undefined,
  json: z.infer<typeof jsonSchema> | null | undefined,
): JsonSchema | undefined {
  if (json !== undefined && json !== null) return json as JsonSchema;
  return openApi ? toJsonSchema(openApi as JsonObject) : undefined;
}

function readFormat(config: GenerationConfig): OutputFormat {
  if (config.responseMimeType !== 'application/json') return { kind: 'text' };
  const schema = schemaOf(config.responseSchema, config.responseJsonSchema);
  return schema === undefined ? { kind: 'json' } : { kind: 'json_schema', schema };
}

function readEffort(thinking: GenerationConfig['thinkingConfig']): string | null {
  if (!thinking) return null;
  const { thinkingBudget: budget, thinkingLevel: level, includeThoughts } = thinking;
  if (level) return level.toLowerCase();
  if (budget === undefined || budget === null) return includeThoughts ? 'medium' : null;
  if (budget === 0) return null;
  if (budget === OWN_CHOICE_BUDGET) return 'medium';
  return EFFORTS_BY_BUDGET.find(([limit]) => budget <= limit)?.[1] ?? 'high';
}

function findToolFault(sent: GeminiBody): WireError | undefined {
  const declarations = declarationsOf(sent);
  for (const { name, parameters, parametersJsonSchema } of declarations) {
    if (!parameters) continue;
    if (parametersJsonSchema !== undefined && parametersJsonSchema !== null)
      return fault('tools', `Only one of parameters and parameters_json_schema may be set for ${name}.`);
    const unknown = findUnknownField(parameters as JsonObject);
    if (unknown !== undefined) return unknownName(unknown, `the parameters of ${name}`);
  }
  const { mode, allowedFunctionNames } = sent.toolConfig?.functionCallingConfig ?? {};
  const allowed = allowedFunctionNames ?? [];
  if (mode === 'ANY' && declarations.length === 0)
    return fault('toolConfig', 'Function calling config is set without function_declarations.');
  if (allowed.length > 0 && mode !== 'ANY' && mode !== 'VALIDATED')
    return fault('toolConfig', 'Allowed function names may only be set in mode ANY or VALIDATED.');
  const stranger = allowed.find((name) => !declarations.some((declared) => declared.name === name));
  if (stranger === undefined) return undefined;
  return fault('toolConfig', `Allowed function name ${stranger} is not among the function declarations.`);
}

function findConfigFault(config: GenerationConfig): WireError | undefined {
  const { responseSchema, responseJsonSchema, responseMimeType, thinkingConfig } = config;
  const hasSchema = Boolean(responseSchema) || (responseJsonSchema ?? undefined) !== undefined;
  if (hasSchema && responseMimeType !== 'application/json')
    return fault('generationConfig', 'A response schema needs the response mime type application/json.');
  if (responseSchema && (responseJsonSchema ?? undefined) !== undefined)
    return fault('generationConfig', 'Only one of response_schema and response_json_schema may be set.');
  const unknown = responseSchema ? findUnknownField(responseSchema as JsonObject) : undefined;
  if (unknown !== undefined) return unknownName(unknown, 'generation_config.response_schema');
  if (thinkingConfig?.thinkingLevel && (thinkingConfig.thinkingBudget ?? undefined) !== undefined)
    return fault('generationConfig', 'Only one of thinking budget and thinking level may be set.');
  return undefined;
}

function unknownName(name: string, place: string): WireError {
  const message = `Invalid JSON payload received. Unknown name "${name}" at '${place}': Cannot find field.`;
  return fault(place, message);
}

function fault(param: string, message: string): WireError {
  return { status: 400, param, message };
}
