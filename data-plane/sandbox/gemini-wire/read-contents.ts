import { z } from 'zod';
import type { TurnMessage } from '../turn.ts';
import type { WireError } from '../wire-error.ts';
import { isOwnSignature } from './thought-signature.ts';

const jsonObject = z.record(z.string(), z.json());
const contentPart = z.looseObject({
  text: z.string().nullish(),
  thought: z.boolean().nullish(),
  thoughtSignature: z.string().nullish(),
  functionCall: z.looseObject({ name: z.string().min(1), args: jsonObject.nullish() }).nullish(),
  functionResponse: z.looseObject({ name: z.string().min(1), response: jsonObject }).nullish(),
  inlineData: z.looseObject({ mimeType: z.string(), data: z.string() }).nullish(),
  fileData: z.looseObject({ fileUri: z.string() }).nullish(),
});
export const instructionContent = z.looseObject({ parts: z.array(contentPart) });
export const conversationContent = z.looseObject({
  role: z.enum(['user', 'model'], { error: 'Please use a valid role: user, model.' }).nullish(),
  parts: z.array(contentPart).min(1),
});
type Part = z.infer<typeof contentPart>;
type Content = z.infer<typeof conversationContent>;

export function readInstructions(parts: readonly Part[]): TurnMessage[] {
  const text = textOf(parts);
  return text === '' ? [] : [{ role: 'instructions', text, attachments: 0, toolCalls: [], toolCallId: null }];
}

/** Function responses become messages of their own, before what is said with them. */
export function readContents(contents: readonly Content[]): TurnMessage[] {
  return contents.flatMap(({ role, parts }) => {
    const responses = readResponses(parts);
    const said = parts.filter((part) => !part.functionResponse);
    if (said.length === 0) return responses;
    return [
      ...responses,
      {
        role: role === 'model' ? ('assistant' as const) : ('user' as const),
        text: textOf(said),
        attachments: said.filter((part) => part.inlineData || part.fileData).length,
        toolCalls: readCalls(said),
        toolCallId: null,
      },
    ];
  });
}

function readCalls(parts: readonly Part[]): TurnMessage['toolCalls'] {
  const calls = parts.flatMap((part) => part.functionCall ?? []);
  const ids = placesOf(calls.map((call) => call.name));
  return calls.map(({ name, args }, index) => ({
    id: ids[index] ?? name,
    name,
    argumentsJson: JSON.stringify(args ?? {}),
  }));
}

function readResponses(parts: readonly Part[]): TurnMessage[] {
  const responses = parts.flatMap((part) => part.functionResponse ?? []);
  const ids = placesOf(responses.map((response) => response.name));
  return responses.map(({ response }, index) => {
    const result = response.output ?? response.error ?? response;
    return {
      role: 'tool',
      text: typeof result === 'string' ? result : JSON.stringify(result),
      attachments: 0,
      toolCalls: [],
      toolCallId: ids[index] ?? null,
    };
  });
}

/** Ids are optional here: the second response of a function belongs to its second call. */
function placesOf(names: readonly string[]): string[] {
  return names.map(
    (name, index) => `${name}#${names.slice(0, index).filter((other) => other === name).length}`,
  );
}

/** Says what is wrong with the order of calls and responses, or with a signature that comes back. */
export function findContentFault(contents: readonly Content[]): WireError | undefined {
  let openCalls = 0;
  for (const [index, { parts }] of contents.entries()) {
    const responses = parts.filter((part) => part.functionResponse).length;
    if (responses > 0 && openCalls === 0)
      return faultAt(
        `contents[${index}]`,
        'Please ensure that function response turn comes immediately after a function call turn.',
      );
    if (responses !== openCalls)
      return faultAt(
        `contents[${index}]`,
        'Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.',
      );
    openCalls = parts.filter((part) => part.functionCall).length;
    const place = parts.findIndex(hasForeignSignature);
    if (place >= 0)
      return faultAt(
        `contents[${index}].parts[${place}].thought_signature`,
        'Thought signature is not valid.',
      );
  }
  return undefined;
}

function hasForeignSignature({ thoughtSignature, functionCall }: Part): boolean {
  return Boolean(thoughtSignature) && !isOwnSignature(thoughtSignature ?? '', functionCall?.name);
}

function faultAt(param: string, message: string): WireError {
  return { status: 400, param, message };
}

function textOf(parts: readonly Part[]): string {
  return parts.flatMap((part) => (part.text && !part.thought ? [part.text] : [])).join('\n');
}
