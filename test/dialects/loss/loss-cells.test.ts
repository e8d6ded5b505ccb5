import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClientField } from '#data-plane/dialects/client-field.ts';
import type { LossRule } from '#data-plane/dialects/loss-rule.ts';
import { CLIENT_FIELDS, lossCell } from '#data-plane/dialects/loss-table.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import type { Dialect, ProviderProtocol } from '#shared/usage-record.ts';
import { PROTOCOLS } from '#test/data-plane/support/protocol-models.ts';
import { CHAT_SPECIMENS } from './chat-specimens.ts';
import { type FieldPlace, marksOf, placesOf, shows, without, withValue } from './field-paths.ts';
import { MESSAGES_SPECIMENS } from './messages-specimens.ts';
import { type Exchange, type RecordingGateway, startRecordingGateway } from './recording-gateway.ts';
import { RESPONSES_SPECIMENS } from './responses-specimens.ts';

const SPECIMENS: Readonly<Record<Dialect, readonly JsonObject[]>> = {
  chat: CHAT_SPECIMENS,
  responses: RESPONSES_SPECIMENS,
  messages: MESSAGES_SPECIMENS,
};
const DIALECTS = ['chat', 'responses', 'messages'] as const;

let gateway: RecordingGateway;
const exchanges = new Map<string, Promise<Exchange>>();

beforeAll(async () => {
  gateway = await startRecordingGateway();
});
afterAll(() => gateway.stop());

/** Each request is sent once, however many fields it proves. */
function ask(client: Dialect, protocol: ProviderProtocol, body: JsonObject): Promise<Exchange> {
  const key = `${client} ${protocol} ${JSON.stringify(body)}`;
  const known = exchanges.get(key) ?? gateway.ask(client, protocol, body);
  exchanges.set(key, known);
  return known;
}

/** Whether a list of dropped paths speaks of a place, of what holds it or of all that it holds. */
function isNamed(dropped: readonly string[], { path }: FieldPlace): boolean {
  return dropped.some((name) => path === name || path.startsWith(`${name}.`) || path.startsWith(`${name}[`));
}

/** `proved`, `elsewhere` (this request says nothing of it), or what contradicts the table. */
type Finding = string;

interface Question {
  readonly client: Dialect;
  readonly protocol: ProviderProtocol;
  readonly field: ClientField;
  readonly specimen: JsonObject;
  readonly place: FieldPlace;
}

/** What one specimen shows of one field. */
async function judge(question: Question): Promise<Finding> {
  const { client, protocol, field, specimen, place } = question;
  const cell = lossCell(client, field.asks, protocol);
  const told = await ask(client, protocol, specimen);
  const saysNothing = Array.isArray(place.value) && place.value.length === 0;
  if (cell === undefined || saysNothing || isRuledOut(specimen, place)) return 'elsewhere';
  if (told.status !== 200) return judgeRefusal(question, cell, told);
  const bare = await ask(client, protocol, without(specimen, place));
  // What must be there can be said otherwise.
  if (bare.status !== 200 && typeof place.value === 'number')
    return judgeServed(
      question,
      cell,
      told,
      await ask(client, protocol, withValue(specimen, place, place.value * 9)),
    );
  return judgeServed(question, cell, told, bare);
}

/** A choice among some of the tools is said by leaving out the others. */
function isRuledOut(specimen: JsonObject, { path }: FieldPlace): boolean {
  return JSON.stringify(specimen).includes('allowed_tools') && path.startsWith('tools[0]');
}

function judgeRefusal({ client, field, specimen }: Question, cell: LossRule, told: Exchange): Finding {
  if (told.received.length > 0 || told.status !== 400) return `failed with ${told.status}: ${told.refusal}`;
  const list = CLIENT_FIELDS[client];
  const askedAlike = list.fields.filter(({ asks }) => asks === field.asks);
  const places = askedAlike.flatMap((alike) => placesOf(alike, specimen, list));
  const isMeant = places.some(({ path }) => told.refusal.includes(`'${path}`));
  return cell.outcome === 'refused' && isMeant ? 'proved' : 'elsewhere';
}

function judgeServed({ field, place }: Question, cell: LossRule, told: Exchange, bare: Exchange): Finding {
  const [body] = told.bodies;
  if (body === undefined) return 'no request arrived';
  const isUnsaid = cell.unsaid === true || field.asks === 'gateway';
  const named = isNamed(told.dropped, place);
  const marks = marksOf(place.value);
  const isWhole = typeof place.value === 'object';
  const isShown =
    marks.length > 0 &&
    (isWhole ? marks.some((mark) => shows(body, mark)) : marks.every((mark) => shows(body, mark)));
  const changes = bare.status === 200 && JSON.stringify(bare.bodies[0]) !== JSON.stringify(body);
  const hasEffect = isShown || changes;
  const isSilent = !named && !hasEffect && !isUnsaid && field.neutral?.includes(place.value) !== true;
  if (isSilent) return 'lost without a word';
  if (cell.outcome === 'refused') return 'elsewhere';
  if (cell.outcome === 'dropped') {
    if (!named) return changes ? 'said to be dropped, but it arrives' : 'elsewhere';
    const alone = bare.dropped.length === told.dropped.length - 1;
    return changes && alone
      ? 'named as dropped, but the provider is told something else without it'
      : 'proved';
  }
  if (named) return 'elsewhere';
  if (isUnsaid) return 'proved';
  const arrives = cell.outcome === 'carried' && marks.length > 0 ? isShown : hasEffect;
  return arrives ? 'proved' : 'elsewhere';
}

const CONTRADICTION = (finding: Finding): boolean => finding !== 'proved' && finding !== 'elsewhere';

describe('the loss table, by what a provider received', () => {
  for (const client of DIALECTS) {
    const list = CLIENT_FIELDS[client];
    for (const protocol of PROTOCOLS.filter((name) => name !== client)) {
      it(`holds for every field of a ${client} request at a ${protocol} provider`, async () => {
        const unproved: string[] = [];
        for (const field of list.fields) {
          const cell = lossCell(client, field.asks, protocol);
          // The model's name stands outside the specimens.
          if (cell === undefined || field.path === 'model') continue;
          const findings: Finding[] = [];
          for (const specimen of SPECIMENS[client])
            for (const place of placesOf(field, specimen, list)) {
              const finding = await judge({ client, protocol, field, specimen, place });
              findings.push(finding);
              if (CONTRADICTION(finding))
                unproved.push(
                  `${field.path} (${cell.outcome}): ${finding} ${JSON.stringify(specimen).slice(0, 300)}`,
                );
            }
          if (!findings.includes('proved'))
            unproved.push(`${field.path} (${cell.outcome}): not proved by ${findings.length} specimens`);
        }
        expect(unproved).toEqual([]);
      }, 120_000);
    }

    it(`carries every ${client} request to a provider of its own dialect byte for byte`, async () => {
      // Of two limits the gateway lets both be the one that counts.
      for (const specimen of SPECIMENS[client].filter(
        (body) => !('max_tokens' in body && 'max_completion_tokens' in body),
      )) {
        const { status, received, dropped, refusal } = await ask(client, client, specimen);
        if (status === 400) {
          expect(refused(client, specimen), `${JSON.stringify(specimen)} ${refusal}`).toBe(true);
          continue;
        }
        const sent = gateway
          .bytesOf(client, specimen)
          .replace(`"recorder/${client}"`, `"${client}-internal"`);
        // Thoughts that the provider cannot have written are taken out, which is said.
        if (dropped.every((path) => /\.reasoning\w*$/.test(path)) && dropped.length > 0) continue;
        expect(withoutUsageWish(received[0]?.toString('utf8'))).toBe(sent);
        expect(dropped).toEqual([]);
      }
    }, 60_000);
  }
});

/** Whether the table says that no lane serves what the specimen asks. */
function refused(client: Dialect, specimen: JsonObject): boolean {
  const list = CLIENT_FIELDS[client];
  return list.fields.some((field) => field.asks === 'refused' && placesOf(field, specimen, list).length > 0);
}

/** The gateway always asks for the usage of a stream. */
function withoutUsageWish(body: string | undefined): string | undefined {
  return body?.replace(',"stream_options":{"include_usage":true}', '');
}
