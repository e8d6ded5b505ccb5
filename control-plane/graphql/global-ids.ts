import { formatId, ID_PREFIXES, type IdKind, parseId, parseIdOf } from '#shared/identifiers.ts';

/** An id that nothing has: what a malformed id is looked up as, so that it answers like an unknown one. */
const NOTHING = '00000000-0000-0000-0000-000000000000';

/** GraphQL types whose name is not that of their id kind. */
const KIND_BY_TYPE: Readonly<Record<string, IdKind>> = { ManagementToken: 'AccessToken' };
const TYPE_BY_KIND = new Map(Object.entries(KIND_BY_TYPE).map(([type, kind]) => [kind, type]));

/** The global id of an object: `acct_…` and so on; a model's is its own id, `vendor/name`. */
export function encodeGlobalId(typeName: string, id: string): string {
  if (typeName === 'Model') return id;
  const kind = KIND_BY_TYPE[typeName] ?? typeName;
  if (!isIdKind(kind)) throw new Error(`The type ${typeName} has no id prefix`);
  return formatId(kind, id);
}

/** Reads a global id of any type; text that is none becomes the id of an account that does not exist. */
export function decodeGlobalId(globalId: string): { typename: string; id: string } {
  const parsed = parseId(globalId);
  if (parsed) return { typename: TYPE_BY_KIND.get(parsed.kind) ?? parsed.kind, id: parsed.uuid };
  return globalId.includes('/') ? { typename: 'Model', id: globalId } : { typename: 'Account', id: NOTHING };
}

/** The UUID inside a public id of this kind; anything else becomes the id of nothing, which verbs answer `NOT_FOUND`. */
export function uuidOf(kind: IdKind, publicId: string | number): string {
  return parseIdOf(kind, String(publicId)) ?? NOTHING;
}

function isIdKind(text: string): text is IdKind {
  return Object.hasOwn(ID_PREFIXES, text);
}
