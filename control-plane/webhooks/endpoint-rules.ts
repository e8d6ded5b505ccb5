import type { FetchRefusal } from '#shared/guarded-fetch.ts';
import { checkText } from '../input-rules.ts';
import { type UserError, userError } from '../user-error.ts';
import { ALL_EVENT_TYPES, type WebhookEventType } from './event-types.ts';

/** How many endpoints an account may have that are not deleted. */
export const MAX_ENDPOINTS = 20;
export const MAX_ROTATION_OVERLAP_HOURS = 168;
export const DEFAULT_ROTATION_OVERLAP_HOURS = 24;
const MAX_URL_LENGTH = 2_048;
const MAX_DESCRIPTION_LENGTH = 255;

export interface EndpointSettings {
  readonly url: string;
  readonly description: string;
  readonly events: readonly WebhookEventType[];
  /** What the guarded fetcher says of the URL; `undefined`: it may be sent to. */
  readonly urlRefusal: FetchRefusal | undefined;
}

const URL_PROBLEMS: Readonly<Record<string, string>> = {
  malformed_url: 'This is no URL.',
  scheme_not_allowed: 'The URL must begin with https://.',
  credentials_in_url: 'The URL must not carry a user name or password; deliveries are signed.',
  port_not_allowed: 'The port must be 443 or 8443.',
  address_not_public: 'The URL leads to an address that is not public.',
};

/** Every problem of an endpoint's settings. A name that cannot be resolved is no problem: it may come to be. */
export function checkEndpoint(settings: Partial<EndpointSettings>): UserError[] {
  const { url, urlRefusal, description, events } = settings;
  return [
    ...(url === undefined ? [] : checkUrl(url, urlRefusal)),
    ...(description === undefined || description === ''
      ? []
      : checkText(description, 'A description', MAX_DESCRIPTION_LENGTH, ['description'])),
    ...(events === undefined || events.length > 0
      ? []
      : [userError('INVALID_INPUT', 'An endpoint hears of at least one type of event.', 'events')]),
  ];
}

function checkUrl(url: string, refusal: FetchRefusal | undefined): UserError[] {
  if (url.length > MAX_URL_LENGTH)
    return [userError('INVALID_INPUT', `A URL has at most ${MAX_URL_LENGTH} characters.`, 'url')];
  if (refusal === undefined) return [];
  return [
    userError(
      'INVALID_INPUT',
      URL_PROBLEMS[refusal.reason] ?? 'The URL could not be checked in time.',
      'url',
    ),
  ];
}

/** Each type once, in the order of the list. */
export function withoutRepeats(events: readonly WebhookEventType[]): WebhookEventType[] {
  return ALL_EVENT_TYPES.filter((type) => events.includes(type));
}
