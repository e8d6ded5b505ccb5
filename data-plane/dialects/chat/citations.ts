import type { Citation } from '#data-plane/dialects/citation.ts';
import { countOf, filledText, listOf, objectOf, objectsOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';

/** A `url_citation`, nested as OpenAI writes it or flat; `textBefore` is taken off its places. */
export function citationOf(annotation: JsonObject, textBefore: number): Citation | undefined {
  const cited = objectOf(annotation.url_citation) ?? annotation;
  const url = filledText(cited.url);
  if (url === undefined) return undefined;
  const title = filledText(cited.title);
  const citedText = filledText(cited.content);
  const start = countOf(cited.start_index);
  const end = countOf(cited.end_index);
  const hasPlace = start !== undefined && end !== undefined && start >= textBefore && end > start;
  return {
    url,
    ...(title === undefined ? {} : { title }),
    ...(citedText === undefined ? {} : { citedText }),
    ...(hasPlace ? { startIndex: start - textBefore, endIndex: end - textBefore } : {}),
  };
}

/** Sources that a chunk or body lists beside the answer: with titles, or bare addresses; `undefined` when it lists none. */
export function sourcesBeside(chunk: JsonObject): readonly Citation[] | undefined {
  const described = objectsOf(chunk.search_results);
  const listed = described.length > 0 ? described : listOf(chunk.citations).map((url) => ({ url }));
  const sources = listed.flatMap((source) => citationOf(source, 0) ?? []);
  return sources.length === 0 ? undefined : sources;
}
