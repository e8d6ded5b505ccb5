import { isOwnState, sealState } from '../opaque-state.ts';

const FAMILY = 'responses.reasoning';
const REASONING_ID_PREFIX = 'rs_';

/** `encrypted_content` of a reasoning item. It names its item, because clients may send it back without the id. */
export function sealReasoning(itemId: string): string {
  return `${itemId.slice(REASONING_ID_PREFIX.length)}.${sealState(FAMILY, itemId)}`;
}

/** True for what {@link sealReasoning} made, unchanged and, where the item has an id, for this very item. */
export function isOwnReasoning(encryptedContent: string, itemId: string | undefined): boolean {
  const dot = encryptedContent.indexOf('.');
  if (dot < 0) return false;
  const sealedId = `${REASONING_ID_PREFIX}${encryptedContent.slice(0, dot)}`;
  if (itemId !== undefined && itemId !== sealedId) return false;
  return isOwnState(encryptedContent.slice(dot + 1), FAMILY, sealedId);
}
