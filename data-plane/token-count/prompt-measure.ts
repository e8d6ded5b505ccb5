import type { Part, Tool, TurnRequest } from '#data-plane/dialects/turn.ts';
import { type ImageSize, imageSizeOf } from './image-size.ts';

/** What a prompt consists of, in numbers only. */
export interface PromptMeasure {
  /** Tokens of its texts in `o200k_base`, and of what a chat template usually puts around messages and tools. */
  readonly textTokens: number;
  /** Its pictures; null for one whose size is not known. */
  readonly images: readonly (ImageSize | null)[];
  /** Base64 characters of the files sent inline that are not text. */
  readonly documentCharacters: number;
}

const TOKENS_AROUND_MESSAGE = 4;
const TOKENS_AROUND_TOOL = 8;
const TEXTUAL_TYPE = /^(text\/|application\/(json|xml|yaml|x-yaml|javascript)\b)/i;

/** Measures everything that a provider counts as its prompt: system, messages, thoughts, calls, results, tools, schema. */
export function measurePrompt(turn: TurnRequest, countText: (text: string) => number): PromptMeasure {
  const texts: string[] = [];
  const images: (ImageSize | null)[] = [];
  let documentCharacters = 0;
  const add = (part: Part): void => {
    switch (part.kind) {
      case 'text':
      case 'refusal':
      case 'reasoning':
        texts.push(part.text);
        return;
      case 'tool_call':
        texts.push(part.name, part.argumentsJson);
        return;
      case 'tool_result':
        part.content.forEach(add);
        return;
      case 'native':
        texts.push(JSON.stringify(part.value));
        return;
      case 'media': {
        const { source } = part;
        if (source.kind === 'text') texts.push(part.title ?? '', source.text);
        else if (part.media === 'image')
          images.push((source.kind === 'base64' ? imageSizeOf(source.data) : undefined) ?? null);
        else if (source.kind === 'base64' && part.media === 'document') {
          if (TEXTUAL_TYPE.test(source.mediaType)) texts.push(Buffer.from(source.data, 'base64').toString());
          else documentCharacters += source.data.length;
        }
      }
    }
  };
  for (const message of turn.messages) message.parts.forEach(add);
  texts.push(...turn.tools.map(toolText));
  if (turn.format?.kind === 'json_schema') texts.push(JSON.stringify(turn.format.schema));
  const around = turn.messages.length * TOKENS_AROUND_MESSAGE + turn.tools.length * TOKENS_AROUND_TOOL;
  const textTokens = texts.reduce((sum, text) => sum + (text === '' ? 0 : countText(text)), around);
  return { textTokens, images, documentCharacters };
}

function toolText(tool: Tool): string {
  switch (tool.kind) {
    case 'function':
      return `${tool.name} ${tool.description ?? ''} ${JSON.stringify(tool.parameters ?? {})}`;
    case 'custom':
      return `${tool.name} ${tool.description ?? ''} ${JSON.stringify(tool.format ?? {})}`;
    case 'server':
      return JSON.stringify(tool.value);
  }
}
