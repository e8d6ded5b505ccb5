/**
 * Browsers send a session along with whatever page asks, so a POST counts only where the page is ours: its origin is
 * listed, or no browser's page is behind it at all.
 */
export function isOwnPage(
  headers: { readonly origin: string | undefined; readonly fetchSite: string | undefined },
  ownOrigins: ReadonlySet<string>,
): boolean {
  const { origin, fetchSite } = headers;
  if (origin !== undefined) return ownOrigins.has(origin);
  return fetchSite === undefined || fetchSite === 'same-origin' || fetchSite === 'none';
}
