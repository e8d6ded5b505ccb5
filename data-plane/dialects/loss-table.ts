import type { Dialect, ProviderProtocol } from '#shared/usage-record.ts';
import { CHAT_CLIENT_FIELDS } from './chat/client-fields.ts';
import { CHAT_LOSS_RULES } from './chat/loss-rules.ts';
import { chatLossRule, KNOWN_VENDORS } from './chat/provider-traits.ts';
import type { ClientFieldList, FieldMeaning } from './client-field.ts';
import { GEMINI_LOSS_RULES } from './gemini/loss-rules.ts';
import { carried, type LossRule, type LossRules, mapped, refused } from './loss-rule.ts';
import { MESSAGES_CLIENT_FIELDS } from './messages/client-fields.ts';
import { MESSAGES_LOSS_RULES } from './messages/loss-rules.ts';
import { RESPONSES_CLIENT_FIELDS } from './responses/client-fields.ts';
import { RESPONSES_LOSS_RULES } from './responses/loss-rules.ts';
import type { TurnFeature } from './turn-feature.ts';

/** What clients of each dialect may ask, in their own words. */
export const CLIENT_FIELDS: Readonly<Record<Dialect, ClientFieldList>> = {
  chat: CHAT_CLIENT_FIELDS,
  responses: RESPONSES_CLIENT_FIELDS,
  messages: MESSAGES_CLIENT_FIELDS,
};

const PROVIDER_RULES: Readonly<Record<ProviderProtocol, LossRules>> = {
  chat: CHAT_LOSS_RULES,
  responses: RESPONSES_LOSS_RULES,
  messages: MESSAGES_LOSS_RULES,
  gemini: GEMINI_LOSS_RULES,
};

const BY_THE_GATEWAY = mapped('the gateway acts on it');
const BY_NOBODY = refused('no lane can serve it');
const UNTOUCHED = carried('forward lane');

/** What becomes of a client's field at a provider; `undefined` for fields that only hold others. */
export function lossCell(
  client: Dialect,
  asks: FieldMeaning,
  protocol: ProviderProtocol,
): LossRule | undefined {
  if (asks === 'structure') return undefined;
  if (asks === 'refused') return BY_NOBODY;
  if (client === protocol) return UNTOUCHED;
  return asks === 'gateway' ? BY_THE_GATEWAY : PROVIDER_RULES[protocol][asks];
}

/** What the vendors of the chat family do otherwise than OpenAI, by vendor. */
export function vendorDepartures(): ReadonlyMap<string, ReadonlyMap<TurnFeature, LossRule>> {
  return new Map(KNOWN_VENDORS.map((vendor) => [vendor, departuresOf(vendor)]));
}

function departuresOf(vendor: string): ReadonlyMap<TurnFeature, LossRule> {
  const departures = new Map<TurnFeature, LossRule>();
  for (const feature of Object.keys(CHAT_LOSS_RULES) as TurnFeature[]) {
    const usual = CHAT_LOSS_RULES[feature];
    const own = chatLossRule(feature, vendor);
    if (own.outcome !== usual.outcome || own.note !== usual.note) departures.set(feature, own);
  }
  return departures;
}
