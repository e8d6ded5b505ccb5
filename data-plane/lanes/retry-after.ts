import type { UpstreamHeaders } from '#data-plane/upstream/upstream-client.ts';

const MS_PER_SECOND = 1_000;

/**
 * When a provider wants to be asked again, in ms: `retry-after-ms`, else `retry-after` in seconds or as a date. A date is
 * taken relative to the provider's own `date`, so that its clock need not agree with ours. `undefined` when it says nothing.
 */
export function readRetryAfterMs(headers: UpstreamHeaders): number | undefined {
  const exact = countIn(headers['retry-after-ms']);
  if (exact !== undefined) return exact;
  const stated = headers['retry-after'];
  const seconds = countIn(stated);
  if (seconds !== undefined) return seconds * MS_PER_SECOND;
  const waitMs = timeIn(stated) - timeIn(headers.date);
  return Number.isFinite(waitMs) ? Math.max(waitMs, 0) : undefined;
}

type Header = UpstreamHeaders[string];

function countIn(header: Header): number | undefined {
  if (typeof header !== 'string' || header.trim() === '') return undefined;
  const count = Number(header);
  return Number.isFinite(count) && count >= 0 ? count : undefined;
}

function timeIn(header: Header): number {
  return typeof header === 'string' ? Date.parse(header) : Number.NaN;
}
