import { isIP } from 'node:net';

/** Why a URL that a stranger gave is not fetched. */
export type UrlRefusal =
  | 'malformed_url'
  | 'scheme_not_allowed'
  | 'credentials_in_url'
  | 'port_not_allowed'
  | 'address_not_public'
  | 'name_not_found';

/** A URL whose text is in order; where it leads is not known yet. */
export interface GuardedUrl {
  readonly url: URL;
  /** Name or address, IPv6 without its brackets, no final dot. */
  readonly host: string;
  readonly hostIsAddress: boolean;
  readonly port: number;
  /** Neither the scheme nor the port is what strangers may use: only trusted addresses may be reached so. */
  readonly needsTrust: UrlRefusal | undefined;
}

const MAX_URL_LENGTH = 8_192;
const HTTPS_PORT = 443;
const HTTP_PORT = 80;
const ALLOWED_PORTS: readonly number[] = [HTTPS_PORT, 8443];
/** Names that mean something inside one network or one machine only. */
const LOCAL_NAME = /^[^.]*$|\.(localhost|local|localdomain|internal|intranet|lan|home|corp|home\.arpa)$/;
const LOOPBACK_NAME = /^(.*\.)?localhost$/;

/**
 * Reads the text of a URL as browsers do, which undoes every odd spelling of an address (`0x7f.1`, `2130706433`, full-width
 * digits). Only https, on its own port or 8443, without user name and password.
 */
export function readGuardedUrl(text: string, base?: URL): GuardedUrl | UrlRefusal {
  if (text.length > MAX_URL_LENGTH) return 'malformed_url';
  const url = URL.parse(text, base?.href);
  if (url === null) return 'malformed_url';
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'scheme_not_allowed';
  if (url.username !== '' || url.password !== '') return 'credentials_in_url';
  const isSecure = url.protocol === 'https:';
  const port = url.port === '' ? (isSecure ? HTTPS_PORT : HTTP_PORT) : Number(url.port);
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  if (host === '') return 'malformed_url';
  let needsTrust: UrlRefusal | undefined;
  if (!isSecure) needsTrust = 'scheme_not_allowed';
  else if (!ALLOWED_PORTS.includes(port)) needsTrust = 'port_not_allowed';
  return { url, host, hostIsAddress: isIP(host) !== 0, port, needsTrust };
}

/** What a name is by itself, without asking anybody. Every machine takes `localhost` for itself. */
export function kindOfName(host: string): 'loopback' | 'local' | 'public' {
  if (LOOPBACK_NAME.test(host)) return 'loopback';
  return LOCAL_NAME.test(host) ? 'local' : 'public';
}
