import { countOf, filledText, listOf, objectOf, objectsOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';

export interface Citation {
  readonly url: string;
  readonly title?: string;
  readonly citedText?: string;
}

/** Sources of a candidate: of grounded statements, of the search as a whole, and of recited text. */
export function citationsOf(candidate: JsonObject): Citation[] {
  const grounding = objectOf(candidate.groundingMetadata);
  const chunks = listOf(grounding?.groundingChunks).map((chunk) => sourceOf(objectOf(chunk)));
  const supports = objectsOf(grounding?.groundingSupports);
  const grounded = supports.flatMap((support) => supported(support, chunks));
  const general = supports.length === 0 ? chunks.filter((source) => source !== undefined) : [];
  const recited = objectsOf(objectOf(candidate.citationMetadata)?.citationSources).flatMap((source) => {
    const url = filledText(source.uri);
    return url === undefined ? [] : [{ url }];
  });
  return [...grounded, ...general, ...recited];
}

function supported(support: JsonObject, chunks: readonly (Citation | undefined)[]): Citation[] {
  const citedText = filledText(objectOf(support.segment)?.text);
  return listOf(support.groundingChunkIndices).flatMap((index) => {
    const source = chunks[countOf(index) ?? -1];
    if (source === undefined) return [];
    return [citedText === undefined ? source : { ...source, citedText }];
  });
}

function sourceOf(chunk: JsonObject | undefined): Citation | undefined {
  const source = objectOf(chunk?.web) ?? objectOf(chunk?.retrievedContext) ?? objectOf(chunk?.maps);
  const url = filledText(source?.uri);
  const title = filledText(source?.title);
  if (url === undefined) return undefined;
  return title === undefined ? { url } : { url, title };
}
