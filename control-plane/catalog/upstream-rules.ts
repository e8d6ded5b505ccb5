import { and, eq, ne, sql } from 'drizzle-orm';
import type { Transaction } from '#db/client.ts';
import { upstreams } from '#db/schema/catalog.ts';
import { checkName } from '../input-rules.ts';
import { type UserError, userError } from '../user-error.ts';
import { isSeededVendor, parseBaseUrl } from './vendors.ts';

/** Environment upstreams have their vendor's code as name, and data planes know one more. */
const RESERVED_NAME = 'sandbox';
const NAME_LOCK = 7_206_104;
const MAX_CREDENTIAL_LENGTH = 8_192;
const VENDOR_PATTERN = /^[a-z0-9][a-z0-9-]{0,63}$/;

/** An upstream's name is unique and not one that the installation gives itself. */
export async function checkUpstreamName(
  tx: Transaction,
  name: string,
  exceptId: string | null,
): Promise<UserError[]> {
  const errors = checkName(name, 'name');
  if (errors.length > 0) return errors;
  if (name === RESERVED_NAME || isSeededVendor(name))
    return [userError('NAME_TAKEN', 'This name is reserved for upstreams set by environment.', 'name')];
  // Held until commit, so that two upstreams cannot take the same name at once.
  await tx.execute(sql`select pg_advisory_xact_lock(${NAME_LOCK})`);
  const [taken] = await tx
    .select({ id: upstreams.id })
    .from(upstreams)
    .where(and(eq(upstreams.name, name), exceptId === null ? undefined : ne(upstreams.id, exceptId)));
  return taken ? [userError('NAME_TAKEN', 'Another upstream has this name.', 'name')] : [];
}

export function checkVendor(vendor: string): UserError[] {
  if (VENDOR_PATTERN.test(vendor)) return [];
  return [
    userError('INVALID_INPUT', 'A vendor code has 1 to 64 lower-case letters, digits or "-".', 'vendor'),
  ];
}

export function checkBaseUrl(baseUrl: string): UserError[] {
  if (parseBaseUrl(baseUrl) !== undefined) return [];
  const rule = 'A base URL is an http or https URL without credentials, query or fragment.';
  return [userError('INVALID_INPUT', rule, 'baseUrl')];
}

/** Credentials travel in a header, so they are printable ASCII. The message never quotes them. */
export function checkCredential(credential: string | null): UserError[] {
  if (credential === null) return [];
  if (credential.length <= MAX_CREDENTIAL_LENGTH && /^[\x21-\x7e]+$/.test(credential)) return [];
  const rule = `A credential is printable ASCII without spaces, at most ${MAX_CREDENTIAL_LENGTH} characters.`;
  return [userError('INVALID_INPUT', rule, 'credential')];
}
