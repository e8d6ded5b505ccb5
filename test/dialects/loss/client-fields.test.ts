import { describe, expect, it } from 'vitest';
import { CHAT_CLIENT_FIELDS } from '#data-plane/dialects/chat/client-fields.ts';
import { type ClientField, type PathStep, pathSteps } from '#data-plane/dialects/client-field.ts';
import { MESSAGES_CLIENT_FIELDS } from '#data-plane/dialects/messages/client-fields.ts';
import { RESPONSES_CLIENT_FIELDS } from '#data-plane/dialects/responses/client-fields.ts';
import { covers, mentions, names, oneKindEach } from './field-match.ts';
import { hasSpecs, publishedPaths, REQUEST_SCHEMAS } from './published-fields.ts';

const LISTS = {
  chat: CHAT_CLIENT_FIELDS,
  responses: RESPONSES_CLIENT_FIELDS,
  messages: MESSAGES_CLIENT_FIELDS,
} as const;

/** A path and all that leads to it, without what its lists are made of. */
function prefixes(path: string): string[] {
  const names = path.replaceAll('[]', '').split('.');
  return names.map((_, index) => names.slice(0, index + 1).join('.'));
}

/** A field whose members are known knows what kinds it has. */
function tellsKinds({ path }: ClientField, steps: readonly PathStep[]): boolean {
  return WITH_MEMBERS.has(path) && names(pathSteps(path), steps);
}

const WITH_MEMBERS: ReadonlySet<string> = new Set(
  Object.values(LISTS).flatMap(({ fields }) =>
    fields.flatMap(({ path, members }) => (members === undefined ? [] : [path])),
  ),
);

/** Members that only tell of which kind the object around them is. */
const KIND_MEMBER = /\.(?:type|role)$/;

describe.skipIf(!hasSpecs)(
  'the client field lists beside the published schemas (need CROSSMODEL_SHARED)',
  () => {
    for (const dialect of ['chat', 'responses', 'messages'] as const) {
      const { fields } = LISTS[dialect];
      const known = fields.flatMap(({ members, ...field }) => [
        field,
        ...(members ?? []).flatMap(prefixes).map((member) => ({ ...field, path: `${field.path}.${member}` })),
      ]);

      it(`know every field of a ${dialect} request`, () => {
        const missing = publishedPaths(REQUEST_SCHEMAS[dialect]).filter((path) => {
          if (KIND_MEMBER.test(path)) return false;
          return !oneKindEach(path).every((steps) => {
            const endsInKind =
              steps.at(-1)?.element?.types !== undefined || steps.at(-1)?.types !== undefined;
            return known.some(
              (field) =>
                covers(field, steps) || tellsKinds(field, steps) || (endsInKind && mentions(field, steps)),
            );
          });
        });
        expect(missing).toEqual([]);
      });

      it(`invent no field of a ${dialect} request`, () => {
        const published = publishedPaths(REQUEST_SCHEMAS[dialect]).flatMap(oneKindEach);
        const listed = fields.filter(({ beyondSchema }) => beyondSchema !== true);
        const invented = listed.flatMap(({ path }) =>
          oneKindEach(path).some((steps) => !published.some((other) => names(steps, other))) ? [path] : [],
        );
        expect(invented).toEqual([]);
      });

      it(`say one thing of each field of a ${dialect} request`, () => {
        const paths = fields.map(({ path }) => path);
        expect(paths.filter((path, at) => paths.indexOf(path) !== at)).toEqual([]);
        expect(paths.every((path) => pathSteps(path).length > 0)).toBe(true);
      });
    }
  },
);
