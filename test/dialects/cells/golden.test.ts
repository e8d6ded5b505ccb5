import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { objectOf, objectsOf, textOf } from '#data-plane/dialects/json-access.ts';
import type { JsonObject, JsonValue } from '#data-plane/dialects/turn.ts';
import type { Dialect } from '#shared/usage-record.ts';
import { hasRecordings } from '#test/dialects/provider-recordings.ts';
import { bodyFor, DIALECTS, recordedAnswers, streamFor } from './recorded-cells.ts';

const DIGEST_LENGTH = 12;
const GOLDEN_FILE = path.join(import.meta.dirname, 'golden-answers.txt');

/** What an answer is made of, without any of its words: kinds and lengths, why it ended, its counts. */
const OUTLINES: Readonly<Record<Dialect, (body: JsonObject) => JsonValue[]>> = {
  chat: (body) => [
    ...objectsOf(body.choices).flatMap(({ message, finish_reason: reason }) => [
      ...Object.entries(objectOf(message) ?? {}).map(([name, value]) => `${name} ${sizeOf(value)}`),
      reason ?? null,
    ]),
    countsOf(body.usage),
  ],
  responses: (body) => [
    ...objectsOf(body.output).map(
      (item) =>
        `${item.type} ${sizeOf(item.content ?? item.summary ?? item.arguments ?? item.input ?? null)}`,
    ),
    body.status ?? null,
    countsOf(body.usage),
  ],
  messages: (body) => [
    ...objectsOf(body.content).map(
      (block) =>
        `${block.type} ${sizeOf(block.text ?? block.thinking ?? block.input ?? block.content ?? null)}`,
    ),
    body.stop_reason ?? null,
    countsOf(body.usage),
  ],
};

/** Characters of all texts in a value. */
function sizeOf(value: JsonValue): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce((sum: number, item) => sum + sizeOf(item), 0);
}

function countsOf(usage: JsonValue | undefined): string {
  const counts = Object.entries(objectOf(usage) ?? {}).filter(([, count]) => typeof count === 'number');
  return counts.map(([name, count]) => `${name}=${String(count)}`).join(' ');
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, DIGEST_LENGTH);
}

describe.skipIf(!hasRecordings)('what every recording becomes (needs CROSSMODEL_SHARED)', () => {
  // To accept a change: `vitest run -u` on this file, and review the difference. Recordings that are not in the golden file
  // are left to the other tests; delete it first to take them in.
  it('is what it was', async () => {
    const lines = recordedAnswers().flatMap(({ name, events }) =>
      DIALECTS.map((dialect) => {
        const cell = `${name} as ${dialect}:`;
        const stream = digestOf(streamFor(dialect, events).toString('utf8'));
        const last = events.at(-1);
        if (last?.kind === 'turn_fault') return `${cell} fails with ${last.fault.kind} | stream ${stream}`;
        const body = bodyFor(dialect, events);
        const outline = OUTLINES[dialect](body).map((item) => textOf(item) ?? 'null');
        return `${cell} ${outline.join(', ')} | stream ${stream} body ${digestOf(JSON.stringify(body))}`;
      }),
    );
    const golden = existsSync(GOLDEN_FILE) ? readFileSync(GOLDEN_FILE, 'utf8') : undefined;
    const isKnown = (line: string) => golden?.includes(line.slice(0, line.indexOf(':') + 1)) ?? true;
    await expect(`${lines.filter(isKnown).sort().join('\n')}\n`).toMatchFileSnapshot(GOLDEN_FILE);
  });
});
