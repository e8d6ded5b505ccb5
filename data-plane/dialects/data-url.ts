/** The media type and the base64 text of a `data:` URL; `undefined` when the text is none. */
export function parseDataUrl(
  text: string,
): { readonly mediaType: string; readonly data: string } | undefined {
  if (!/^data:/i.test(text.slice(0, 5))) return undefined;
  const comma = text.indexOf(',');
  if (comma === -1) return undefined;
  const [mediaType = '', ...options] = text.slice(5, comma).split(';');
  const payload = text.slice(comma + 1);
  const isBase64 = options.some((option) => option.trim().toLowerCase() === 'base64');
  const data = isBase64 ? payload : percentDecodedBase64(payload);
  return data === undefined ? undefined : { mediaType: mediaType.trim() || 'text/plain', data };
}

export function formatDataUrl(mediaType: string, base64: string): string {
  return `data:${mediaType};base64,${base64}`;
}

function percentDecodedBase64(payload: string): string | undefined {
  try {
    return Buffer.from(decodeURIComponent(payload)).toString('base64');
  } catch {
    return undefined;
  }
}
