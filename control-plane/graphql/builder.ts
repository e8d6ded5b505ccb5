import SchemaBuilder from '@pothos/core';
import DataloaderPlugin from '@pothos/plugin-dataloader';
import RelayPlugin from '@pothos/plugin-relay';
import type { Metadata } from '../metadata-rules.ts';
import { apiError, isGraphqlError } from './api-error.ts';
import { decodeGlobalId, encodeGlobalId } from './global-ids.ts';
import type { RequestContext } from './request-context.ts';

interface SchemaShapes {
  Context: RequestContext;
  Scalars: {
    ID: { Input: string; Output: string };
    DateTime: { Input: Date; Output: Date };
    NanoUSD: { Input: bigint; Output: bigint };
    Metadata: { Input: Metadata; Output: Metadata };
    JSON: { Input: unknown; Output: unknown };
  };
  DefaultFieldNullability: false;
  DefaultEdgesNullability: false;
  DefaultNodeNullability: false;
}

export const builder = new SchemaBuilder<SchemaShapes>({
  plugins: [RelayPlugin, DataloaderPlugin],
  defaultFieldNullability: false,
  relay: {
    encodeGlobalID: (typeName, id) => encodeGlobalId(typeName, String(id)),
    decodeGlobalID: decodeGlobalId,
    nodesOnConnection: { description: 'The objects of this page without their cursors.' },
    nodeTypeOptions: { description: 'Anything with a global id that `node` can find again.' },
    pageInfoTypeOptions: { description: 'Where a page stands in its list.' },
    cursorFieldOptions: { description: 'Opaque; pass it as `after` or `before`.' },
    nodeFieldOptions: { description: 'The object itself.', nullable: false },
    edgesFieldOptions: {
      description: 'The objects of this page with their cursors.',
      nullable: false,
    },
    pageInfoFieldOptions: { description: 'Where this page stands in the list.' },
    hasNextPageFieldOptions: { description: 'True when more follows after `endCursor`.' },
    hasPreviousPageFieldOptions: { description: 'True when more comes before `startCursor`.' },
    startCursorFieldOptions: { description: 'Cursor of the first object of the page.' },
    endCursorFieldOptions: { description: 'Cursor of the last object of the page.' },
    firstArgOptions: { description: 'How many objects from the start of the list or after `after`.' },
    lastArgOptions: { description: 'How many objects from the end of the list or before `before`.' },
    afterArgOptions: { description: 'Only objects after this cursor.' },
    beforeArgOptions: { description: 'Only objects before this cursor.' },
    idFieldOptions: { description: 'Global id.' },
    nodeQueryOptions: {
      description: 'Any object by its global id; null when it does not exist or is not yours.',
      args: { id: { description: 'Global id.' } },
      nullable: true,
      resolve: (_root, { id }, _context, _info, resolveNode) => nullIfNotFound(resolveNode(id)),
    },
    nodesQueryOptions: {
      description:
        'Objects by their global ids, in the same order; null for those that do not exist or are not yours.',
      args: { ids: { description: 'Global ids.' } },
      nullable: { list: false, items: true },
      resolve: async (_root, { ids }, _context, _info, resolveNodes) =>
        (await resolveNodes(ids)).map(nullIfNotFound),
    },
  },
});

async function nullIfNotFound(found: unknown): Promise<unknown> {
  try {
    const value = await found;
    return isNotFound(value) ? null : value;
  } catch (error) {
    if (isNotFound(error)) return null;
    throw error;
  }
}

function isNotFound(error: unknown): boolean {
  return isGraphqlError(error) && error.extensions.code === 'NOT_FOUND';
}

builder.queryType({ description: 'Everything that can be read. Every field needs a token.' });
builder.mutationType({
  description:
    'Everything that can be changed. Expected failures are in `userErrors` of the payload; errors at the top level are about authentication, limits and faults of the server.',
});

builder.scalarType('DateTime', {
  description:
    'An instant, as an RFC 3339 date and time with a time zone, such as "2026-11-20T12:00:00.000Z".',
  serialize: (value) => value.toISOString(),
  parseValue: parseDateTime,
});

builder.scalarType('NanoUSD', {
  description: 'An amount of money: a whole number of nano-USD (1e-9 USD) as a decimal string.',
  serialize: (value) => value.toString(),
  parseValue: (value) => {
    if (typeof value === 'string' && /^-?\d{1,18}$/.test(value)) return BigInt(value);
    throw apiError('BAD_USER_INPUT', 'NanoUSD is a decimal string of a whole number.');
  },
});

builder.scalarType('Metadata', {
  description:
    'Notes that the owner of an object keeps on it: a JSON object of at most 20 texts, such as {"team": "search"}.',
  serialize: (value) => value,
  parseValue: (value) => {
    if (isMetadata(value)) return value;
    throw apiError('BAD_USER_INPUT', 'Metadata is a JSON object whose values are texts.');
  },
});

builder.scalarType('JSON', {
  description: 'Any JSON value. Only in answers.',
  serialize: (value) => value,
});

function isMetadata(value: unknown): value is Metadata {
  return (
    value !== null &&
    typeof value === 'object' &&
    !Array.isArray(value) &&
    Object.values(value).every((text) => typeof text === 'string')
  );
}

const RFC_3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;

function parseDateTime(value: unknown): Date {
  const date = typeof value === 'string' && RFC_3339.test(value) ? new Date(value) : undefined;
  if (date && !Number.isNaN(date.getTime())) return date;
  throw apiError('BAD_USER_INPUT', 'DateTime is an RFC 3339 date and time with a time zone.');
}
