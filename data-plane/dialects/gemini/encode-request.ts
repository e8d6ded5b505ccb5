import type { EncodedRequest, ProviderTarget } from '#data-plane/dialects/codec.ts';
import { standInFunction } from '#data-plane/dialects/custom-tool.ts';
import { RequestLosses } from '#data-plane/dialects/loss-rule.ts';
import { dropReasoning } from '#data-plane/dialects/reasoning-loss.ts';
import type { JsonObject, JsonValue, Tool, ToolChoice, TurnRequest } from '#data-plane/dialects/turn.ts';
import {
  extraFeatureOf,
  isTextOnly,
  serverToolFeature,
  type TurnFeature,
} from '#data-plane/dialects/turn-feature.ts';
import type { Fault } from '#shared/fault.ts';
import { encodeContents } from './encode-contents.ts';
import { thinkingConfig } from './encode-thinking.ts';
import { GEMINI_LOSS_RULES } from './loss-rules.ts';

const MAX_INT32 = 2_147_483_647;

/** Writes a turn for `generateContent`, or for its streaming twin. */
export function encodeGeminiRequest(turn: TurnRequest, target: ProviderTarget): EncodedRequest | Fault {
  const losses = new RequestLosses((feature) => GEMINI_LOSS_RULES[feature], turn.names);
  const tools = encodeTools(turn.tools, losses);
  const hasFunctions = tools.some((tool) => tool.functionDeclarations !== undefined);
  const format = encodeFormat(turn, hasFunctions, losses);
  const { contents, system } = encodeContents(turn.messages, {
    losses,
    // Budget models are the older ones, which do not check who made a call.
    checksSignatures: !target.capabilities.thinkingBudget,
  });
  const instructions = format.instruction === undefined ? system : [...system, format.instruction];
  const config: JsonObject = {
    ...generationConfig(turn, target, losses),
    ...format.fields,
    ...thinkingConfig(turn.reasoning, target),
  };
  noteUnheard(turn, target, losses);
  const body: JsonObject = {
    ...(instructions.length === 0
      ? {}
      : { systemInstruction: { parts: instructions.map((text) => ({ text })) } }),
    ...(tools.length === 0 ? {} : { tools }),
    ...toolConfig(turn.toolChoice, tools, losses),
    ...(Object.keys(config).length === 0 ? {} : { generationConfig: config }),
    // Last, so that what the next request adds stands behind all that it shares with this one.
    contents: contents.map(({ role, parts }) => ({ role, parts })),
  };
  if (losses.refusal !== undefined) return losses.refusal;
  return { body, path: pathOf(target.providerModel, turn.stream), headers: [], dropped: losses.dropped };
}

function pathOf(providerModel: string, stream: boolean): string {
  const model = encodeURIComponent(providerModel.replace(/^models\//, ''));
  return stream ? `/models/${model}:streamGenerateContent?alt=sse` : `/models/${model}:generateContent`;
}

function generationConfig(turn: TurnRequest, target: ProviderTarget, losses: RequestLosses): JsonObject {
  const config: JsonObject = {};
  const put = (name: string, value: JsonValue | undefined) => {
    if (value !== undefined) config[name] = value;
  };
  put('maxOutputTokens', turn.maxOutputTokens);
  const takesSampling = target.capabilities.temperature !== false;
  put('temperature', takesSampling ? turn.temperature : undefined);
  put('topP', takesSampling ? turn.topP : undefined);
  if (!takesSampling && turn.temperature !== undefined) losses.drop('temperature');
  if (!takesSampling && turn.topP !== undefined) losses.drop('top_p');
  put('topK', turn.topK);
  put('presencePenalty', unlessNeutral(turn.presencePenalty, 0));
  put('frequencyPenalty', unlessNeutral(turn.frequencyPenalty, 0));
  put('candidateCount', unlessNeutral(turn.choiceCount, 1));
  if (turn.stopSequences !== undefined && turn.stopSequences.length > 0)
    put('stopSequences', [...turn.stopSequences]);
  if (turn.seed !== undefined) {
    if (Number.isInteger(turn.seed) && Math.abs(turn.seed) <= MAX_INT32) put('seed', turn.seed);
    else losses.drop('seed');
  }
  if (turn.logprobs !== undefined) {
    put('responseLogprobs', true);
    if (turn.logprobs.top > 0) put('logprobs', turn.logprobs.top);
  }
  return config;
}

function unlessNeutral(value: number | undefined, neutral: number): number | undefined {
  return value === neutral ? undefined : value;
}

function encodeTools(tools: readonly Tool[], losses: RequestLosses): JsonObject[] {
  const declarations: JsonObject[] = [];
  const others: JsonObject[] = [];
  const searches: { readonly tool: ServerTool; readonly at: string }[] = [];
  tools.forEach((tool, index) => {
    const at = tool.at ?? `tools[${index}]`;
    if ('namespace' in tool && tool.namespace?.description !== undefined)
      losses.admitsField('tools.namespace.description', tool.namespace.at ?? 'tools');
    switch (tool.kind) {
      case 'function':
        if (tool.strict === true) losses.admits('tools.function.strict', at);
        if (tool.cache !== undefined) losses.dropMark(tool.cache);
        declarations.push(declarationOf(tool.name, tool.description, tool.parameters));
        break;
      case 'custom': {
        const { name, description, parameters } = standInFunction(tool);
        declarations.push(declarationOf(name, description, parameters));
        break;
      }
      case 'server':
        if (tool.family === 'gemini') others.push(tool.value);
        else if (serverToolFeature(tool.type) === 'tools.server.web_search') searches.push({ tool, at });
        else losses.admits(serverToolFeature(tool.type), at);
        break;
    }
  });
  if (declarations.length > 0) others.unshift({ functionDeclarations: declarations });
  const [search, ...more] = searches;
  const canSearch = search !== undefined && others.length === 0;
  for (const { at } of canSearch ? more : searches) losses.dropField(at);
  if (!canSearch) return others;
  for (const [name, value] of Object.entries(search.tool.value))
    if (name !== 'type' && name !== 'name' && value !== null && value !== false)
      losses.dropField(`${search.at}.${name}`);
  return [{ googleSearch: {} }];
}

type ServerTool = Extract<Tool, { kind: 'server' }>;

function declarationOf(name: string, description = '', parameters?: JsonObject): JsonObject {
  return {
    name,
    description,
    ...(parameters === undefined ? {} : { parametersJsonSchema: parameters }),
  };
}

function toolConfig(
  choice: ToolChoice | undefined,
  tools: readonly JsonObject[],
  losses: RequestLosses,
): JsonObject {
  const declarations = tools.find((tool) => tool.functionDeclarations !== undefined)?.functionDeclarations;
  if (choice === undefined) return {};
  if (!Array.isArray(declarations)) {
    losses.drop(`tool_choice.${choice.kind}`);
    return {};
  }
  switch (choice.kind) {
    case 'auto':
      return modeConfig({ mode: 'AUTO' });
    case 'none':
      return modeConfig({ mode: 'NONE' });
    case 'required':
      return modeConfig({ mode: 'ANY' });
    case 'tool': {
      const isDeclared = declarations.some(
        (item) =>
          typeof item === 'object' && item !== null && !Array.isArray(item) && item.name === choice.name,
      );
      if (isDeclared) return modeConfig({ mode: 'ANY', allowedFunctionNames: [choice.name] });
      losses.drop('tool_choice.tool');
      return {};
    }
  }
}

function modeConfig(config: JsonObject): JsonObject {
  return { toolConfig: { functionCallingConfig: config } };
}

interface FormatFields {
  readonly fields: JsonObject;
  readonly instruction?: string;
}

/** Older models refuse JSON mode beside function declarations, so there the system prompt asks for it. */
function encodeFormat(turn: TurnRequest, hasFunctions: boolean, losses: RequestLosses): FormatFields {
  const { format } = turn;
  if (format === undefined || format.kind === 'text') return { fields: {} };
  if (format.kind === 'json_object') {
    return hasFunctions
      ? { fields: {}, instruction: 'When you answer in text, answer with one JSON object and nothing else.' }
      : { fields: { responseMimeType: 'application/json' } };
  }
  if (format.name !== undefined) losses.admits('response_format.json_schema.name');
  const described = format.schema.description === undefined && format.description !== undefined;
  const schema = described ? { ...format.schema, description: format.description } : format.schema;
  if (!hasFunctions) return { fields: { responseMimeType: 'application/json', responseJsonSchema: schema } };
  const rule = 'When you answer in text, answer with one JSON object and nothing else.';
  return {
    fields: {},
    instruction: `${rule} It must match this JSON Schema:\n${JSON.stringify(schema)}`,
  };
}

/** Notes what the client asked for and Gemini has no field for. */
function noteUnheard(turn: TurnRequest, target: ProviderTarget, losses: RequestLosses): void {
  const note = (feature: TurnFeature, value: unknown) => {
    if (value !== undefined) losses.admits(feature);
  };
  note('parallel_tool_calls', turn.parallelToolCalls === false ? false : undefined);
  if (turn.reasoning !== undefined && target.capabilities.reasoning === false)
    dropReasoning(turn.reasoning, losses);
  note('verbosity', turn.verbosity);
  note('service_tier', turn.serviceTier);
  note('user', turn.endUser);
  note('metadata', turn.metadata);
  note('prompt_cache_key', turn.promptCacheKey);
  for (const [name, value] of Object.entries(turn.extras)) {
    const feature = extraFeatureOf(name, value);
    if (feature !== 'extras.modalities' || !isTextOnly(value)) losses.admitsField(feature, name);
  }
}
