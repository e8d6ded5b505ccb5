import { createContextCache } from '@pothos/core';
import { type ResolveCursorConnectionArgs, resolveCursorConnection } from '@pothos/plugin-relay';
import DataLoader from 'dataloader';
import type { IdRange } from '../id-range.ts';
import { apiError } from './api-error.ts';
import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE } from './page-limits.ts';
import type { RequestContext } from './request-context.ts';

const CURSOR_IDS = {
  'newest-first': /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  'by-name': /^[\w./:-]{1,200}$/,
} as const;

interface PageArguments {
  readonly first?: number | null | undefined;
  readonly last?: number | null | undefined;
  readonly before?: string | null | undefined;
  readonly after?: string | null | undefined;
}

interface IdOrderedList<IdField> {
  /** `newest-first`: by UUIDv7, which is by time; `by-name`: by a readable id such as a model's. */
  readonly order: 'newest-first' | 'by-name';
  readonly idField: IdField;
}

/** A page of a list that is ordered by id. `load` may return the rows of the range in any order. */
export async function pageById<IdField extends string, Row extends Readonly<Record<IdField, string>>>(
  args: PageArguments,
  list: IdOrderedList<IdField>,
  load: (range: IdRange) => Promise<readonly Row[]>,
) {
  checkSize('first', args.first);
  checkSize('last', args.last);
  const descending = list.order === 'newest-first';
  const idOf = (row: Row): string => row[list.idField];
  const idIn = (cursor: string | undefined) => readCursor(cursor, CURSOR_IDS[list.order]);
  const page = await resolveCursorConnection(
    {
      args,
      defaultSize: DEFAULT_PAGE_SIZE,
      maxSize: MAX_PAGE_SIZE,
      toCursor: (row: Row) => Buffer.from(idOf(row)).toString('base64url'),
    },
    async ({ before, after, limit, inverted }: ResolveCursorConnectionArgs) => {
      const [above, below] = descending ? [before, after] : [after, before];
      const ascending = descending === inverted;
      const rows = await load({ above: idIn(above), below: idIn(below), limit, ascending });
      const direction = ascending ? 1 : -1;
      return [...rows]
        .sort((left, right) => (idOf(left) < idOf(right) ? -direction : direction))
        .slice(0, limit);
    },
  );
  // An empty page has no cursors; the library says so with empty texts.
  const { startCursor, endCursor } = page.pageInfo;
  return {
    ...page,
    pageInfo: { ...page.pageInfo, startCursor: startCursor || null, endCursor: endCursor || null },
  };
}

function checkSize(name: 'first' | 'last', size: number | null | undefined): void {
  if (size !== null && size !== undefined && (size < 0 || size > MAX_PAGE_SIZE))
    throw apiError('BAD_USER_INPUT', `\`${name}\` must be from 0 to ${MAX_PAGE_SIZE}.`);
}

/** The id inside a cursor. Only text that could have come from us may reach a query. */
function readCursor(cursor: string | undefined, pattern: RegExp): string | undefined {
  if (cursor === undefined || cursor === '') return undefined;
  const id = Buffer.from(cursor, 'base64url').toString();
  if (!pattern.test(id)) throw apiError('BAD_USER_INPUT', 'This cursor is not one of this list.');
  return id;
}

type Loader = DataLoader<string, readonly unknown[]>;
const loadersOf = createContextCache((_context: RequestContext) => new Map<string, Loader>());

/**
 * Loads the same range of a list for many parents in one statement: the pages of `accounts { apiKeys }` cost one query,
 * not one per account.
 */
export function loadPageOfParent<Row>(
  context: RequestContext,
  list: {
    readonly name: string;
    readonly parentId: string;
    readonly range: IdRange;
    readonly parentOf: (row: Row) => string;
    readonly load: (parentIds: readonly string[], range: IdRange) => Promise<readonly Row[]>;
  },
): Promise<readonly Row[]> {
  const loaders = loadersOf(context);
  const key = `${list.name}:${JSON.stringify(list.range)}`;
  const existing = loaders.get(key) as DataLoader<string, readonly Row[]> | undefined;
  const loader =
    existing ??
    new DataLoader<string, readonly Row[]>(
      async (parentIds) => {
        const byParent = Map.groupBy(await list.load(parentIds, list.range), list.parentOf);
        return parentIds.map((id) => byParent.get(id) ?? []);
      },
      // Each field of a request loads once; a mutation that follows in the same request must not see an old page.
      { cache: false },
    );
  if (!existing) loaders.set(key, loader);
  return loader.load(list.parentId);
}
