/** Longest list of dropped fields that a header shows. */
const MAX_LENGTH = 1_000;
/** Room for the count of those that do not fit. */
const MAX_REST_LENGTH = 16;
/** What clients keep about a piece of history besides what it says. */
const BOOKKEEPING = /\]\.(?:id|status)$/;

/**
 * The value of `x-crossmodel-dropped`: paths in the client's own words, bookkeeping of a history last. What does not fit
 * is counted at the end, as `+12 more`.
 */
export function droppedHeader(paths: readonly string[]): string {
  const ordered = [
    ...paths.filter((path) => !BOOKKEEPING.test(path)),
    ...paths.filter((path) => BOOKKEEPING.test(path)),
  ];
  let text = '';
  for (const [index, path] of ordered.entries()) {
    const longer = `${text}${index === 0 ? '' : ', '}${visible(path)}`;
    const isLast = index === ordered.length - 1;
    if (longer.length > MAX_LENGTH - (isLast ? 0 : MAX_REST_LENGTH))
      return withRest(text, ordered.length - index);
    text = longer;
  }
  return text;
}

function withRest(text: string, count: number): string {
  return `${text}${text === '' ? '' : ', '}+${count} more`;
}

/** Field names are the client's own text: only visible ASCII may stand in a header. */
function visible(path: string): string {
  return path.replaceAll(/[^\x21-\x7e]/g, '?');
}
