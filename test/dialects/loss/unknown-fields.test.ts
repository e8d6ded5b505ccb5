import { describe, expect, it } from 'vitest';
import { isJsonObject } from '#data-plane/dialects/json-access.ts';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import { isFault } from '#shared/fault.ts';
import { PROTOCOLS } from '#test/data-plane/support/protocol-models.ts';
import { CHAT_SPECIMENS } from './chat-specimens.ts';
import { shows } from './field-paths.ts';
import { MESSAGES_SPECIMENS } from './messages-specimens.ts';
import { RESPONSES_SPECIMENS } from './responses-specimens.ts';
import { translated } from './translated.ts';

const SPECIMENS = { chat: CHAT_SPECIMENS, responses: RESPONSES_SPECIMENS, messages: MESSAGES_SPECIMENS };
const NAME = 'field_of_tomorrow';
const WORD = 'word-of-tomorrow';

/** Paths of all objects in a value; those with a kind of their own are what the dialects extend. */
function objectPaths(value: JsonValue, path: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => objectPaths(item, `${path}[${index}]`));
  if (!isJsonObject(value)) return [];
  const inner = Object.entries(value).flatMap(([name, item]) =>
    objectPaths(item, path === '' ? name : `${path}.${name}`),
  );
  return [path, ...inner];
}

function withUnknown(value: JsonValue, at: string, path = ''): JsonValue {
  if (Array.isArray(value)) return value.map((item, index) => withUnknown(item, at, `${path}[${index}]`));
  if (!isJsonObject(value)) return value;
  const entries = Object.entries(value).map(([name, item]) => [
    name,
    withUnknown(item, at, path === '' ? name : `${path}.${name}`),
  ]);
  return Object.fromEntries(path === at ? [...entries, [NAME, WORD]] : entries) as JsonObject;
}

/** What became of a field that no list knows; `undefined` when it arrived, was named or the request was refused. */
function silentLoss(
  client: keyof typeof SPECIMENS,
  protocol: (typeof PROTOCOLS)[number],
  specimen: JsonObject,
  at: string,
): string | undefined {
  // A choice among some of the tools is said by leaving out the others.
  if (at.startsWith('tools[0]') && JSON.stringify(specimen).includes('allowed_tools')) return undefined;
  const body = withUnknown({ max_tokens: 100, ...specimen }, at) as JsonObject;
  const encoded = translated(client, protocol, body);
  if (isFault(encoded) || shows(encoded.body, [WORD])) return undefined;
  const path = at === '' ? NAME : `${at}.${NAME}`;
  const isNamed = encoded.dropped.some(
    (name) => path === name || path.startsWith(`${name}.`) || path.startsWith(`${name}[`),
  );
  return isNamed ? undefined : `${client} to ${protocol}: ${path} of ${JSON.stringify(specimen)}`;
}

describe('a field that no list knows', () => {
  for (const client of ['chat', 'responses', 'messages'] as const)
    it(`of a ${client} request arrives or is named, wherever it stands`, () => {
      const lost = PROTOCOLS.filter((protocol) => protocol !== client).flatMap((protocol) =>
        SPECIMENS[client].flatMap((specimen) =>
          objectPaths(specimen, '').flatMap((at) => silentLoss(client, protocol, specimen, at) ?? []),
        ),
      );
      expect(lost).toEqual([]);
    });
});
