import { describe, expect, it } from 'vitest';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import { isFault } from '#shared/fault.ts';
import type { Dialect } from '#shared/usage-record.ts';
import { PROTOCOLS } from '#test/data-plane/support/protocol-models.ts';
import { hasRecordings, recordingsOf } from '#test/dialects/provider-recordings.ts';
import { CHAT_SPECIMENS } from './chat-specimens.ts';
import { MESSAGES_SPECIMENS } from './messages-specimens.ts';
import { RESPONSES_SPECIMENS } from './responses-specimens.ts';
import { capableTarget, translated } from './translated.ts';

const VENDORS = ['openai', 'deepseek', 'mistral', 'groq', 'moonshot', 'qwen', 'z-ai', 'minimax', 'unknown'];
const DIALECTS = [
  ['chat', 'openai-chat'],
  ['responses', 'openai-responses'],
  ['messages', 'anthropic-messages'],
] as const;

const recorded = DIALECTS.flatMap(([client, protocol]) =>
  recordingsOf(protocol).flatMap(({ name, request }) =>
    request === undefined ? [] : [{ client: clientOf(client, request), name, request }],
  ),
);
const sessions = recorded.filter(
  ({ name }) => name.startsWith('clients/') && !name.includes('item-reference'),
);

/** Some clients send the body of one dialect to the endpoint of another. */
function clientOf(client: Dialect, request: JsonObject): Dialect {
  return client === 'chat' && request.messages === undefined ? 'responses' : client;
}

describe.skipIf(!hasRecordings)('a request of a real client (need CROSSMODEL_SHARED)', () => {
  it.each(sessions)('$name is refused by no provider', ({ client, request }) => {
    for (const protocol of PROTOCOLS.filter((name) => name !== client))
      for (const vendor of protocol === 'chat' ? VENDORS : ['openai']) {
        const sent = translated(client, protocol, request, capableTarget(vendor));
        expect(isFault(sent) ? `${vendor}: ${sent.message}` : 'served').toBe('served');
      }
  });

  it('is there in every dialect', () => {
    expect(new Set(sessions.map(({ client }) => client)).size).toBe(3);
    expect(sessions.some(({ name }) => name.includes('claude-code'))).toBe(true);
    expect(sessions.some(({ name }) => name.includes('codex'))).toBe(true);
  });
});

describe('a dropped field', () => {
  const specimens = [
    ...CHAT_SPECIMENS.map((body) => ({ client: 'chat' as const, body })),
    ...RESPONSES_SPECIMENS.map((body) => ({ client: 'responses' as const, body })),
    ...MESSAGES_SPECIMENS.map((body) => ({ client: 'messages' as const, body })),
    ...recorded.map(({ client, request }) => ({ client, body: request })),
  ];

  it('is named by a path that the client has written', () => {
    const invented = specimens.flatMap(({ client, body }) =>
      PROTOCOLS.flatMap((protocol) => {
        const sent = protocol === client ? undefined : translated(client, protocol, body);
        if (sent === undefined || isFault(sent)) return [];
        return sent.dropped
          .filter((path) => valueAt(body, path) === undefined)
          .map((path) => `${client} to ${protocol}: ${path}`);
      }),
    );
    expect(invented).toEqual([]);
  });
});

function valueAt(body: JsonObject, path: string): unknown {
  const keys = path.split(/[.[\]]+/).filter((key) => key !== '');
  return keys.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], body);
}
