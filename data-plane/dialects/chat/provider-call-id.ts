import { createHash } from 'node:crypto';
import type { ProviderTraits } from './provider-traits.ts';

/** The call's id where the vendor takes it, else a digest in letters and digits that is the same every time. */
export function providerCallId(id: string, traits: ProviderTraits): string {
  if (traits.callIds === undefined || traits.callIds.test(id)) return id;
  const digest = createHash('sha256').update(id).digest('base64url').replace(/[-_]/g, '0');
  return traits.callIds.test(digest) ? digest : digest.slice(0, SHORT_CALL_ID_LENGTH);
}

const SHORT_CALL_ID_LENGTH = 9;
