import { describe, expect, it } from 'vitest';
import type { ClientField } from '#data-plane/dialects/client-field.ts';
import { CLIENT_FIELDS, vendorDepartures } from '#data-plane/dialects/loss-table.ts';
import type { JsonObject } from '#data-plane/dialects/turn.ts';
import { isFault } from '#shared/fault.ts';
import { type FieldPlace, placesOf, without } from './field-paths.ts';
import { MESSAGES_SPECIMENS } from './messages-specimens.ts';
import { RESPONSES_SPECIMENS } from './responses-specimens.ts';
import { capableTarget, translated } from './translated.ts';

const SPECIMENS = { responses: RESPONSES_SPECIMENS, messages: MESSAGES_SPECIMENS } as const;
const DEPARTURES = [...vendorDepartures()].map(([vendor, departures]) => ({ vendor, departures }));

/** What a request shows of one of its fields: the outcome that a loss table would call it. */
function outcomeOf(
  client: 'responses' | 'messages',
  vendor: string,
  specimen: JsonObject,
  place: FieldPlace,
): 'refused' | 'dropped' | 'arrives' | 'without effect' | 'unclear' {
  const told = translated(client, 'chat', specimen, capableTarget(vendor));
  if (isFault(told))
    return told.param?.startsWith(place.path) === true || place.path.startsWith(told.param ?? ' ')
      ? 'refused'
      : 'unclear';
  const named = told.dropped.some(
    (name) => place.path === name || place.path.startsWith(`${name}.`) || place.path.startsWith(`${name}[`),
  );
  if (named) return 'dropped';
  const bare = translated(client, 'chat', without(specimen, place), capableTarget(vendor));
  if (isFault(bare)) return 'arrives';
  return JSON.stringify(bare.body) === JSON.stringify(told.body) ? 'without effect' : 'arrives';
}

/** A budget says that thinking is on; breakpoints have a place on texts alone. */
const SAID_ELSEWHERE =
  /^thinking\(enabled\)$|(?:output|tools|source|search_result|tool_result)[^ ]*\.(?:cache_control|prompt_cache_breakpoint)$/;

describe('what a vendor of the chat family does otherwise', () => {
  it.each(DEPARTURES)('holds for $vendor', ({ vendor, departures }) => {
    const wrong: string[] = [];
    for (const client of ['responses', 'messages'] as const) {
      const list = CLIENT_FIELDS[client];
      const judged = list.fields.filter((field: ClientField) => departures.has(field.asks as never));
      for (const field of judged) {
        const rule = departures.get(field.asks as never);
        const wanted = rule?.outcome === 'refused' || rule?.outcome === 'dropped' ? rule.outcome : 'arrives';
        const shown = SPECIMENS[client].flatMap((specimen) =>
          placesOf(field, specimen, list).map((place) => outcomeOf(client, vendor, specimen, place)),
        );
        if (SAID_ELSEWHERE.test(field.path)) continue;
        if (shown.length > 0 && !shown.includes(wanted))
          wrong.push(`${client} ${field.path}: ${wanted}, not ${shown.join()}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});
